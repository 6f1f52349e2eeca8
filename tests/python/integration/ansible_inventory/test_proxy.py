"""An API behind a proxy that demands a client certificate and a header, for the inventory, modules and lookups::

Ansible -- TLS, certificate, X-Site-Key --> proxy -- HTTP --> API
"""

from __future__ import annotations

import datetime
import http.client
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.python.integration.ansible_inventory.conftest import Inventories

SECRET = "kept-to-itself"
KEY = "X-Site-Key"
LOOKUP = "{{ lookup('resource.infra.resource', 'kanto', kind='region').name }}"


@dataclass(frozen=True)
class Proxy:
    """Where the proxy is, and what opens it."""

    url: str
    cert: Path
    key: Path

    @property
    def options(self) -> dict[str, Any]:
        """The options of modules and the inventory, all but the header."""
        paths = {"ca_cert": str(self.cert), "client_cert": str(self.cert), "client_key": str(self.key)}
        return {"api_url": self.url, **paths}

    @property
    def environ(self) -> dict[str, str]:
        """The same as variables of the environment, with the header."""
        paths = {"RESOURCE_CA": str(self.cert), "RESOURCE_CLIENT_CERT": str(self.cert)}
        headers = json.dumps({KEY: SECRET})
        return {
            "RESOURCE_SERVER": self.url,
            **paths,
            "RESOURCE_CLIENT_KEY": str(self.key),
            "RESOURCE_HEADERS": headers,
        }


@pytest.fixture
def proxy(inventories: Inventories, tmp_path: Path) -> Iterator[Proxy]:
    cert, key = _certificate(tmp_path)
    api = urlsplit(inventories.environ["RESOURCE_SERVER"])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def do_PUT(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get(KEY) != SECRET:
                self._answer(403, b"the proxy lets nobody in without its key", {})
                return
            connection = http.client.HTTPConnection(str(api.hostname), api.port, timeout=60)
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            connection.request(self.command, self.path, body=body, headers=kept)
            answer = connection.getresponse()
            self._answer(answer.status, answer.read(), dict(answer.getheaders()))
            connection.close()

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name in ("content-type", "x-api-version", "etag"):
                if name in headers:
                    self.send_header(name, headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(cert)
    context.verify_mode = ssl.CERT_REQUIRED
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Proxy(f"https://127.0.0.1:{server.server_port}", cert, key)
        server.shutdown()
        thread.join()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that is its own authority, of the proxy and of its client, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "proxy.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "proxy.key").write_bytes(private)
    return folder / "proxy.pem", folder / "proxy.key"


@pytest.mark.design("N2")
def test_the_inventory_passes_with_options_and_with_the_environment(inventories: Inventories, proxy: Proxy) -> None:
    template = {KEY: "{{ lookup('env', 'SITE_KEY') }}"}
    by_options = inventories.source("a-topology.yml", hosts=["nodes"], headers=template, **proxy.options)
    by_environment = inventories.source("b-topology.yml", hosts=["nodes"])
    hosts = inventories.hosts(by_options, SITE_KEY=SECRET)
    assert hosts
    assert inventories.hosts(by_environment, **proxy.environ) == hosts
    done = inventories.run("ansible-inventory", "-i", by_environment, "--list", "-vvvvv", **proxy.environ)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.design("N2")
def test_the_inventory_is_refused_without_the_header_or_the_certificate(inventories: Inventories, proxy: Proxy) -> None:
    without_header = inventories.source(**proxy.options)
    assert "the proxy lets nobody in without its key" in inventories.refused(without_header)
    kept = {name: value for name, value in proxy.options.items() if not name.startswith("client_")}
    without_certificate = inventories.source(headers={KEY: SECRET}, **kept)
    told = inventories.refused(without_certificate)
    assert f"{proxy.url} cannot be reached" in told
    assert SECRET not in told
    no_map = inventories.refused(inventories.source(), **{**proxy.environ, "RESOURCE_HEADERS": f"{KEY}: {SECRET} ["})
    assert "headers: must be a map, or in RESOURCE_HEADERS a JSON object" in no_map
    assert SECRET not in no_map


@pytest.mark.design("N1")
def test_modules_and_lookups_pass_and_log_no_value_of_a_header(inventories: Inventories, proxy: Proxy) -> None:
    """Each way on its own: the API behind the proxy is named nowhere else."""
    region = {"name": "kanto", "description": "by the proxy"}
    options = {**proxy.options, "headers": {KEY: SECRET}}
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    lookup = f"{{{{ lookup('resource.infra.resource', 'kanto', kind='region'{given}).spec.description }}}}"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"resource.infra.region": {**region, **options}},
            {"resource.infra.region": {"name": "kanto", "description": "once more"}, "environment": proxy.environ},
            {"ansible.builtin.debug": {"msg": lookup}},
        ],
    }
    path = inventories.folder / "play.yml"
    path.write_text(json.dumps([play]))
    nowhere = {"RESOURCE_SERVER": "http://127.0.0.1:1"}
    done = inventories.run("ansible-playbook", "-i", "localhost,", path, "-vvv", "--diff", **nowhere)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "by the proxy" in done.stdout
    assert '"msg": "once more"' in done.stdout
    assert SECRET not in done.stdout + done.stderr
    path.write_text(json.dumps([{**play, "tasks": [{"ansible.builtin.debug": {"msg": LOOKUP}}]}]))
    done = inventories.run("ansible-playbook", "-i", "localhost,", path, "-vvv", **proxy.environ)
    assert '"msg": "kanto"' in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.design("N1")
def test_an_empty_variable_of_headers_is_none(inventories: Inventories) -> None:
    tasks = [{"resource.infra.region": {"name": "kanto"}}, {"ansible.builtin.debug": {"msg": LOOKUP}}]
    path = inventories.folder / "play.yml"
    path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    done = inventories.run("ansible-playbook", "-i", "localhost,", path, RESOURCE_HEADERS="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"msg": "kanto"' in done.stdout
    assert inventories.hosts(inventories.source(), RESOURCE_HEADERS="")


@pytest.mark.design("N1")
@pytest.mark.parametrize(
    "wrong",
    [
        f"{KEY} {SECRET} [",
        f"{KEY}:{SECRET}==",
        f'["{SECRET}"]',
        f'{{"{KEY}": ["{SECRET}"]}}',
        f'{{"{KEY}:{SECRET}=": "="}}',
    ],
)
def test_headers_that_are_none_are_refused_and_not_shown(inventories: Inventories, proxy: Proxy, wrong: str) -> None:
    environ = {**proxy.environ, "RESOURCE_HEADERS": wrong}
    for task in ({"resource.infra.region": {"name": "kanto"}}, {"ansible.builtin.debug": {"msg": LOOKUP}}):
        path = inventories.folder / "play.yml"
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        done = inventories.run("ansible-playbook", "-i", "localhost,", path, "-vvv", **environ)
        assert done.returncode == 2, done.stdout
        assert "headers" in done.stdout
        assert SECRET not in done.stdout + done.stderr
    told = inventories.refused(inventories.source(), **environ)
    assert "headers: " in told
    assert SECRET not in told
