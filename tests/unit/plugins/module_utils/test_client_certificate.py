# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's client against a TLS server that demands a client certificate."""

from __future__ import annotations

import datetime
import http.server
import os
import pty
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from ansible_collections.resource.infra.plugins.module_utils.client import Client, Unreachable
from ansible_collections.resource.infra.plugins.module_utils.client import __file__ as client_file
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@pytest.fixture(name="pem")
def fixture_pem(tmp_path: Path) -> Path:
    """A certificate that is its own authority, of server and client, with its key in ``key.pem`` beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return tmp_path / "cert.pem"


class _Empty(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="url")
def fixture_url(pem: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, pem.with_name("key.pem"))
    context.load_verify_locations(pem)
    context.verify_mode = ssl.CERT_REQUIRED
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Empty) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_client_certificate_opens_an_api_that_demands_one(url: str, pem: Path) -> None:
    key = str(pem.with_name("key.pem"))
    client = Client(url, "rs_x", ca_cert=str(pem), client_cert=str(pem), client_key=key)
    assert client.request("GET", "/v1") == (200, {})
    client.close()
    with pytest.raises(Unreachable):
        Client(url, "rs_x", ca_cert=str(pem)).request("GET", "/v1")
    with pytest.raises(Unreachable, match=r"client_cert .*missing"):
        Client(url, "rs_x", ca_cert=str(pem), client_cert=str(pem.with_name("missing"))).request("GET", "/v1")


_ON_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from ansible_collections.resource.infra.plugins.module_utils.client import Client, Unreachable
url, ca, cert, key = sys.argv[1:]
try:
    Client(url, "rs_x", ca_cert=ca, client_cert=cert, client_key=key).request("GET", "/v1")
except Unreachable as error:
    print(error)
"""


@pytest.mark.parametrize("is_in_one_file", [False, True])
def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(
    url: str, pem: Path, is_in_one_file: bool
) -> None:
    """OpenSSL asks on the terminal of the process, which so has one here; what it would read is there already."""
    key = serialization.load_pem_private_key(pem.with_name("key.pem").read_bytes(), None)
    passphrase = serialization.BestAvailableEncryption(b"secret")
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, passphrase)
    locked = pem.with_name("locked.pem")
    locked.write_bytes(text + (pem.read_bytes() if is_in_one_file else b""))
    paths = (str(locked), "") if is_in_one_file else (str(pem), str(locked))
    terminal, inside = pty.openpty()
    os.write(terminal, b"secret\n")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ON_A_TERMINAL, url, str(pem), *paths],
            stdin=inside,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(client_file).parents[5]), *sys.path])},
        )
    finally:
        os.close(inside)
        os.close(terminal)
    assert done.stdout.startswith("client_cert "), done.stderr
    assert "locked.pem: " in done.stdout
