"""``-f URL`` against a real web server beside the API: documents are read there, and the token does not go there."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from controller.cli import document_urls
from controller.cli.exit_codes import ExitCode
from controller.clock import SystemClock
from controller.errors import TimedOut
from controller.pki import Authority, Identity
from tests.python.integration.cli.conftest import Shell

REGIONS = "kind: Region\nname: kanto\n---\nkind: Region\nname: kansai\n"


class Files(ThreadingHTTPServer):
    """Serves texts by path, and keeps the headers of what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts = {"/regions.yaml": REGIONS}
        self.asked: list[str] = []
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        self.server.asked.append(str(self.headers))
        text = self.server.texts.get(self.path)
        if self.path == "/drops":
            self._send_drops()
            return
        if self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
        else:
            self.send_response(404 if text is None else 200)
        content = (text or "").encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_drops(self) -> None:
        """Send a head without an end, byte by byte: no pause between two bytes is long."""
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not self.server.closing.wait(0.02):
                self.wfile.write(b"a")

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


def _served(files: Files) -> Iterator[Files]:
    thread = threading.Thread(target=files.serve_forever, name="files")
    thread.start()
    yield files
    files.closing.set()
    files.shutdown()
    files.server_close()
    thread.join(20)


@pytest.fixture
def files() -> Iterator[Files]:
    yield from _served(Files())


def test_every_command_with_documents_takes_urls(shell: Shell, files: Files) -> None:
    url = f"{files.url}/regions.yaml"
    assert "2 to create" in shell.ok("apply", "--dry-run", "-f", url)
    assert "+ Region kansai" in shell.ok("diff", "-f", url)
    assert "2 to create" in shell.ok("plan", "-f", url)
    more = shell.write("more.yaml", "kind: Region\nname: tohoku\n")
    assert "3 created" in shell.ok("apply", "-f", url, "-f", more)
    assert "2 deleted" in shell.ok("delete", "-f", url)
    assert len(files.asked) == 5
    assert not [headers for headers in files.asked if "authorization" in headers.lower()]


def test_what_is_not_there_is_one_line_and_writes_nothing(shell: Shell, files: Files) -> None:
    missing = shell.run("apply", "-f", f"{files.url}/regions.yaml", "-f", f"{files.url}/none.yaml?token=s3cret")
    assert missing.exit_code == ExitCode.USAGE
    assert missing.stderr == f"error: -f {files.url}/none.yaml: the server answered 404 Not Found\n"
    loop = shell.run("apply", "-f", f"{files.url}/loop")
    assert loop.stderr == f"error: -f {files.url}/loop: has more than 5 redirects\n"
    assert shell.ok("get", "regions", "-o", "name") == ""


def test_a_head_that_comes_byte_by_byte_ends_with_the_time(files: Files) -> None:
    """A limit between two bytes never ended it: the 60 s that are promised were hours."""
    with pytest.raises(TimedOut, match=r"/drops: took longer than 0\.2 s$"):
        document_urls.fetch(f"{files.url}/drops", most_seconds=0.2)


def test_problems_of_a_document_name_its_url(shell: Shell, files: Files) -> None:
    files.texts["/bad.yaml"] = "kind: Region\nname: kanto\nspec: {colour: red}\n"
    bad = shell.run("apply", "-f", f"{files.url}/bad.yaml")
    assert bad.exit_code == ExitCode.INVALID
    assert bad.stderr == f"error: {files.url}/bad.yaml[0] Region kanto: spec.colour: unknown field\n"


@pytest.fixture
def secure_files(shell: Shell) -> Iterator[Files]:
    """The same with TLS, signed by an authority that nobody knows; its certificate is in ``authority.pem``."""
    clock = SystemClock()
    authority = Authority.create_root(clock).create_intermediate("root", clock)
    key, issued = authority.issue(Identity("root", "files", "files"), clock=clock, addresses=["127.0.0.1"])
    shell.write("authority.pem", issued.roots.decode())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shell.write("server.pem", (issued.chain + key).decode()))
    files = Files()
    files.socket = context.wrap_socket(files.socket, server_side=True)
    files.url = files.url.replace("http:", "https:")
    yield from _served(files)


def test_a_server_without_a_known_certificate_is_refused(shell: Shell, secure_files: Files) -> None:
    url = f"{secure_files.url}/regions.yaml"
    refused = shell.run("apply", "-f", url)
    assert refused.exit_code == ExitCode.USAGE
    assert refused.stderr.startswith(f"error: -f {url}: the certificate of the server is not valid: ")
    shell.environ["SSL_CERT_FILE"] = str(shell.folder / "authority.pem")
    assert "2 created" in shell.ok("apply", "-f", url)
