"""What a node reads for an Image: only files and servers that its agent's settings permit."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controller.agent.image_source.addresses import AddressRules
from controller.agent.image_source.servers import ServerSource
from controller.agent.image_source.settings import ImageCredentials, ImageSettings
from controller.agent.image_source.source import ImageSource
from controller.errors import Forbidden, NotFound, PermanentError, Unavailable
from controller.hostnet.own_networks import own_networks

pytestmark = pytest.mark.design("E10")


async def content(parts: AsyncGenerator[bytes, None]) -> bytes:
    return b"".join([part async for part in parts])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Has ``image``; beside it is a folder that nobody may read."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "image").write_bytes(b"image")
    (tmp_path / "images-secret").mkdir()
    (tmp_path / "images-secret" / "shadow").write_bytes(b"hash")
    return folder


def source(*folders: Path) -> ImageSource:
    return ImageSource(ImageSettings(folders=folders))


async def test_files_are_refused_unless_a_folder_is_named(folder: Path) -> None:
    with pytest.raises(Forbidden, match=r"images\.folders"):
        await content(source().read(f"file://{folder}/image"))
    assert await content(source(folder).read(f"file://{folder}/image")) == b"image"
    assert await content(source(folder).read(f"file://localhost/{folder}/x/../im%61ge")) == b"image"


async def test_what_is_outside_is_refused_alike_whether_it_exists_or_not(folder: Path) -> None:
    (folder / "link").symlink_to("../images-secret/shadow")
    (folder / "loose").symlink_to("../images-secret/none")
    (folder / "out").symlink_to("../images-secret")
    (folder / "fd").symlink_to("/proc/self/root")
    secret = folder.parent / "images-secret"
    outside = [
        f"{folder}/link",
        f"{folder}/loose",
        f"{folder}/out/shadow",
        f"{folder}/out/none",
        f"{folder}/../images-secret/shadow",
        f"{folder}/%2e%2e/images-secret/shadow",
        f"{folder}/fd{secret}/shadow",
        f"{secret}/shadow",
        f"{secret}/none",
        "/etc/shadow",
    ]
    for path in outside:
        with pytest.raises(Forbidden) as raised:
            await content(source(folder).read(f"file://{path}"))
        assert raised.value.message.endswith("images.folders of its agent's settings"), path
    with pytest.raises(Forbidden, match="another host"):
        await content(source(folder).read(f"file://etc{folder}/image"))
    with pytest.raises(NotFound):
        await content(source(folder).read(f"file://{folder}/none"))
    with pytest.raises(PermanentError):
        await content(source(folder).read(f"file://{folder}/a%00b"))


async def test_links_inside_and_to_the_folder_are_followed(folder: Path) -> None:
    (folder / "current").symlink_to("image")
    named = folder.parent / "named"
    named.symlink_to(folder)
    for url in (f"file://{folder}/current", f"file://{named}/current"):
        assert await content(source(named).read(url)) == b"image"


async def test_a_file_that_is_replaced_while_it_is_checked_leads_nowhere_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link is put in place between the check of the path and its opening."""
    path = folder / "image"
    opened = os.open

    def swapped(name: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(name) == path:
            path.unlink()
            path.symlink_to("../images-secret/shadow")
        return opened(name, flags, mode)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(Forbidden):
        await content(source(folder).read(f"file://{path}"))


class Server(ThreadingHTTPServer):
    """Answers on 127.0.0.1 and 127.0.0.2, and redirects to where ``location`` says."""

    location = ""

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), Handler)
        self.asked: list[tuple[str, str, dict[str, str]]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.connection.getsockname()[0], self.path, dict(self.headers)))
        if self.path == "/banner":
            with suppress(OSError):
                self.wfile.write(b"SSH-2.0-Secret\r\n")
            return
        moved = self.path.startswith("/moved")
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0" if moved else "5")
        self.end_headers()
        if not moved:
            self.wfile.write(b"image")

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Names:
    """A resolver whose answers change with every question."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return self._answers.pop(0)


FIRST = AddressRules(allow=[ip_network("127.0.0.1/32")])
"""Permits 127.0.0.1; 127.0.0.2 stands for what is refused."""


async def test_loopback_is_refused_by_default_in_every_form(server: Server) -> None:
    port = server.server_port
    hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0177.1", "127.1", "0", "[::]"]
    for host in hosts:
        with pytest.raises(Forbidden, match=r"images\.allow"):
            await content(source().read(f"http://{host}:{port}/image"))
    assert server.asked == []


async def test_the_networks_of_the_node_are_refused() -> None:
    assert ip_network("127.0.0.0/8") in await asyncio.to_thread(own_networks)
    other = ServerSource(AddressRules(), own=lambda: [ip_network("192.0.2.0/24")])
    with pytest.raises(Forbidden, match="own interfaces"):
        await content(other.read("http://192.0.2.1/image"))


async def test_a_name_that_resolves_differently_the_next_moment_is_asked_where_it_was_judged(server: Server) -> None:
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    url = f"http://images.example.com:{server.server_port}/image"
    assert await content(ServerSource(FIRST, resolve=names).read(url)) == b"image"
    ((address, _, headers),) = server.asked
    assert (address, headers["Host"]) == ("127.0.0.1", f"images.example.com:{server.server_port}")


@pytest.mark.parametrize("answer", [["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["::ffff:127.0.0.2"], ["::1"]])
async def test_a_name_with_a_refused_address_is_refused(server: Server, answer: Sequence[str]) -> None:
    with pytest.raises(Forbidden):
        await content(
            ServerSource(FIRST, resolve=Names(answer)).read(f"http://images.example.com:{server.server_port}/image")
        )
    assert server.asked == []


async def test_each_redirect_is_judged(server: Server) -> None:
    port = server.server_port
    for location in (
        f"http://127.0.0.2:{port}/image",
        f"//127.0.0.2:{port}/image",
        f"http://u:p@127.0.0.1:{port}/image",
        "file:///etc/shadow",
        "gopher://127.0.0.1/",
    ):
        server.location = location
        with pytest.raises(Forbidden) as raised:
            await content(ServerSource(FIRST).read(f"http://127.0.0.1:{port}/moved?x=Hunter2"))
        assert "127.0.0.2" not in raised.value.message, "what is inside is not told"
        assert "Hunter2" not in raised.value.message
    server.location = f"http://images.example.com:{port}/image"
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    with pytest.raises(Forbidden):
        await content(ServerSource(FIRST, resolve=names).read(f"http://first.example.com:{port}/moved"))
    assert {address for address, *_ in server.asked} == {"127.0.0.1"}
    server.location = "/image"
    assert await content(ServerSource(FIRST).read(f"http://127.0.0.1:{port}/moved")) == b"image"
    server.location = "/moved"
    with pytest.raises(PermanentError, match="redirects more than 10 times"):
        await content(ServerSource(FIRST).read(f"http://127.0.0.1:{port}/moved"))


async def test_proxies_of_the_environment_are_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.2:{server.server_port}")
    assert await content(ServerSource(FIRST).read(f"http://127.0.0.1:{server.server_port}/image")) == b"image"
    assert server.asked[0][0] == "127.0.0.1"


async def test_what_is_no_http_is_not_echoed(server: Server) -> None:
    with pytest.raises(Unavailable) as raised:
        await content(ServerSource(FIRST).read(f"http://127.0.0.1:{server.server_port}/banner"))
    assert "SSH" not in raised.value.message


async def test_credentials_of_an_older_image_are_refused_and_not_shown(server: Server) -> None:
    for url in (f"http://u:Hunter2@127.0.0.1:{server.server_port}/image", "https://h/?sig=Hunter2"):
        with pytest.raises(Forbidden, match="has credentials") as raised:
            await content(source().read(url))
        assert "Hunter2" not in raised.value.message
    assert server.asked == []


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key with a certificate of images.example.com, which is trusted."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "images.example.com")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("images.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = tmp_path / "server.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, form, plain) + made.public_bytes(pem))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


async def test_tls_is_checked_for_the_name_and_credentials_are_sent_to_it_only(
    server: Server, certificate: Path, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    port, secret = server.server_port, tmp_path / "token"
    secret.write_text("Hunter2\n")
    first, other = f"images.example.com:{port}", f"other.example.com:{port}"
    credentials = [ImageCredentials(host=host, file=secret) for host in (first, other)]

    def source_at(*addresses: str) -> ServerSource:
        return ServerSource(FIRST, credentials, resolve=Names(*([one] for one in addresses)))

    assert await content(source_at("127.0.0.1").read(f"https://{first}/image")) == b"image"
    assert server.asked.pop()[2]["Authorization"] == "Bearer Hunter2"
    with pytest.raises(Unavailable, match="cannot connect") as raised:
        await content(source_at("127.0.0.1").read(f"https://{other}/image"))
    assert "Hunter2" not in raised.value.message
    server.location = f"https://{other}/image"
    with pytest.raises(Unavailable):
        await content(source_at("127.0.0.1", "127.0.0.1").read(f"https://{first}/moved"))
    basic = ServerSource(FIRST, [ImageCredentials(host=first, username="u", file=secret)], resolve=Names(["127.0.0.1"]))
    assert await content(basic.read(f"https://{first}/image")) == b"image"
    assert server.asked[-1][2]["Authorization"] == "Basic dTpIdW50ZXIy"


async def test_credentials_are_not_sent_without_tls_or_to_others(server: Server, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("Hunter2")
    host = f"images.example.com:{server.server_port}"
    one = ImageCredentials(host=host, file=tmp_path / "token")
    names = Names(["127.0.0.1"], ["127.0.0.1"])
    plain = ServerSource(FIRST, [one], resolve=names)
    assert await content(plain.read(f"http://{host}/image")) == b"image"
    assert await content(plain.read(f"http://other.example.com:{server.server_port}/image")) == b"image"
    assert not any("Authorization" in headers for _, _, headers in server.asked)
