"""Images by HTTP, from a server that misbehaves."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controller.agent import images
from controller.agent.image_source.settings import ImageSettings
from controller.agent.image_source.source import ImageSource
from controller.agent.images import ImageCache
from controller.errors import ImageInvalid, NotFound, PermanentError, TemporaryError, TimedOut, Unavailable
from controller.model.image import ImageSpec

pytestmark = pytest.mark.design("E10")


class Server(ThreadingHTTPServer):
    """Serves one image in several ways."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.asked: list[str] = []
        self.hang = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        match self.path:
            case "/image":
                self._answer(200, self.server.content)
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "/image")
                self.end_headers()
            case "/cut":
                self.send_response(200)
                self.send_header("Content-Length", str(len(self.server.content)))
                self.end_headers()
                self.wfile.write(self.server.content[: len(self.server.content) // 2])
            case "/hang":
                self.server.hang.wait()
            case "/slow":
                self.send_response(200)
                self.end_headers()
                while not self.server.hang.wait(0.01):
                    self.wfile.write(b"x" * (1 << 17))
            case "/drip-body":
                self.send_response(200)
                self.end_headers()
                self._drip(b"x")
            case "/drip-headers":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                self._drip(b"y")
            case path:
                self._answer(int(path.removeprefix("/")), b"sorry")

    def _drip(self, byte: bytes) -> None:
        with suppress(OSError):
            while not self.server.hang.wait(0.01):
                self.wfile.write(byte)
                self.wfile.flush()

    def _answer(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    image = tmp_path / "source.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
    server = Server(image.read_bytes())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.hang.set()
    server.shutdown()
    thread.join()
    server.server_close()


def spec(server: Server, path: str) -> ImageSpec:
    digest = hashlib.sha256(server.content).hexdigest()
    return ImageSpec(url=f"http://127.0.0.1:{server.server_port}{path}", checksum=f"sha256:{digest}")


def source_of(folder: Path) -> ImageSource:
    return ImageSource(ImageSettings.model_validate({"folders": (folder,), "allow": ("127.0.0.0/8",)}))


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path / "images", source_of(tmp_path), max_bytes=1 << 30, timeout=30)


@pytest.mark.parametrize("path", ["/image", "/moved"])
async def test_an_image_is_fetched_once(cache: ImageCache, server: Server, path: str) -> None:
    found = await asyncio.gather(*(cache.image(spec(server, path)) for _ in range(5)))
    assert found[0].disk.read_bytes() == server.content
    assert server.asked.count("/image") == 1


@pytest.mark.parametrize(
    ("path", "error"), [("/404", NotFound), ("/403", NotFound), ("/503", Unavailable), ("/429", Unavailable)]
)
async def test_what_the_server_says(cache: ImageCache, server: Server, path: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=path.removeprefix("/")):
        await cache.image(spec(server, path))


async def test_a_cut_connection_leaves_nothing(cache: ImageCache, server: Server, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await cache.image(spec(server, "/cut"))
    assert list((tmp_path / "images").iterdir()) == []


@pytest.mark.parametrize("path", ["/hang", "/slow", "/drip-body", "/drip-headers"])
async def test_a_server_that_takes_too_long(server: Server, tmp_path: Path, path: str) -> None:
    cache = ImageCache(tmp_path / "images", source_of(tmp_path), max_bytes=1 << 40, timeout=0.3)
    with pytest.raises(TimedOut, match=r"did not arrive within 0\.3 s"):
        await cache.image(spec(server, path))
    assert list((tmp_path / "images").iterdir()) == []


async def test_an_endless_file_is_cut_at_the_limit(server: Server, tmp_path: Path) -> None:
    cache = ImageCache(tmp_path / "images", source_of(tmp_path), max_bytes=1 << 20, timeout=30)
    with pytest.raises(ImageInvalid, match="limit"):
        await cache.image(spec(server, "/slow"))


async def test_nobody_answers(cache: ImageCache, server: Server) -> None:
    wanted = spec(server, "/image").model_copy(update={"url": "http://127.0.0.1:1/image"})
    with pytest.raises(Unavailable):
        await cache.image(wanted)


@pytest.mark.parametrize("kind", ["fifo", "device", "folder"])
async def test_what_is_not_a_regular_file_is_refused_at_once(cache: ImageCache, tmp_path: Path, kind: str) -> None:
    path = {"fifo": tmp_path / "fifo", "device": tmp_path / "device", "folder": tmp_path}[kind]
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    with pytest.raises(PermanentError, match="is not a regular file"):
        await cache.image(ImageSpec(url=f"file://{path}", checksum="sha256:" + "0" * 64))


async def test_a_disk_that_hangs_holds_neither_the_event_loop_nor_the_deadline(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung = threading.Event()
    monkeypatch.setattr(images, "_CLOSE_SECONDS", 0.01)
    monkeypatch.setattr(images._Incoming, "_write", lambda incoming: hung.wait())
    cache = ImageCache(tmp_path / "images", source_of(tmp_path), max_bytes=1 << 40, timeout=0.3)
    try:
        with pytest.raises(TimedOut):
            await cache.image(spec(server, "/slow"))
    finally:
        hung.set()


async def test_a_full_disk_is_a_temporary_error_and_leaves_nothing(
    cache: ImageCache, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(incoming: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(images._Incoming, "_write", full)
    with pytest.raises(TemporaryError, match="No space left"):
        await cache.image(spec(server, "/image"))
    assert list((tmp_path / "images").iterdir()) == []
