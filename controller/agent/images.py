"""Fetches images, kernels and initrds into the node's cache, for drivers: one read-only file per checksum.

A file is in the cache under its checksum only if its bytes have that checksum: it is fetched under
another name, flushed and renamed. A process runs one fetch per file at a time; others wait for it.
A file that is found in the cache is hashed once per process before its first use, so a file that
was damaged while the agent was down is fetched again instead of being run. What a process that was
killed had fetched in part is deleted before the first fetch of the next one. Nothing is touched
before that: the folder may not be the node's own until its state was checked.

Not promised: that unused files are ever deleted; overlays may be based on them.

Design: E10
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import tempfile
import threading
from contextlib import aclosing, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from controller.agent import qemu_img
from controller.agent.image_source.source import CHUNK, ImageSource
from controller.errors import ImageInvalid, TemporaryError, TimedOut
from controller.model.image import BootFile, ImageSpec
from controller.model.image_url import shown_url

_CLOSE_SECONDS = 5.0
"""How long a fetch waits for its temporary file to be deleted; the deletion goes on after that."""


_PARTIAL = ".fetch-"
"""How names of files begin that are not complete. A fetch holds a lock on its file while it runs."""


@dataclass(frozen=True)
class CachedImage:
    """An image in the cache, with the files of its direct boot."""

    disk: Path
    virtual_size: int
    """Bytes."""
    kernel: Path | None = None
    initrd: Path | None = None


class ImageCache:
    """The files in ``folder``, by checksum."""

    def __init__(self, folder: Path, source: ImageSource, *, max_bytes: int, timeout: float) -> None:
        """``max_bytes``: the largest file that is accepted; ``timeout``: seconds that one fetch may take."""
        self._folder = folder
        self._source = source
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._locks: dict[str, asyncio.Lock] = {}
        self._verified: set[Path] = set()
        self._swept: asyncio.Future[None] | None = None

    def path(self, checksum: str) -> Path:
        """Return the path for the file with ``checksum``, whether it exists or not; the same on every node."""
        return self._folder / checksum.replace(":", "-")

    async def image(self, spec: ImageSpec) -> CachedImage:
        """Return the image and its boot files, and fetch those that are not in the cache.

        Raises ImageInvalid when bytes, format or a reference to another file are wrong; Forbidden when the settings
        do not permit the source; NotFound when the file does not exist; Unavailable and TimedOut when a retry may help.
        """
        disk = await self._file(spec.url, spec.checksum)
        header = await asyncio.to_thread(self._checked_header, disk, spec)
        return CachedImage(
            disk=disk,
            virtual_size=header.virtual_size,
            kernel=await self._boot_file(spec.kernel),
            initrd=await self._boot_file(spec.initrd),
        )

    async def _boot_file(self, file: BootFile | None) -> Path | None:
        return None if file is None else await self._file(file.url, file.checksum)

    async def _file(self, url: str, checksum: str) -> Path:
        path = self.path(checksum)
        async with self._locks.setdefault(checksum, asyncio.Lock()):
            if path not in self._verified:
                if not await asyncio.to_thread(self._is_stored, checksum, path):
                    await self._fetch(url, checksum, path)
                self._verified.add(path)
            elif not path.exists():
                await self._fetch(url, checksum, path)
        return path

    def _is_stored(self, checksum: str, path: Path) -> bool:
        """Return whether the cache has the file, with the bytes of its checksum."""
        with suppress(FileNotFoundError):
            digest = _new_hash(checksum)
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
            return digest.hexdigest() == checksum.partition(":")[2]
        return False

    async def _fetch(self, url: str, checksum: str, path: Path) -> None:
        if self._swept is None:
            self._swept = asyncio.ensure_future(asyncio.to_thread(_delete_leftovers, self._folder))
        await asyncio.shield(self._swept)  # all fetches wait: it could delete the file that one has just created
        incoming = _Incoming(self._folder, url, checksum, self._max_bytes)
        try:
            await asyncio.to_thread(incoming.open)
            async with asyncio.timeout(self._timeout), aclosing(self._source.read(url)) as parts:
                async for part in parts:
                    if incoming.add(part) >= CHUNK:
                        await asyncio.to_thread(incoming.write)
            await asyncio.to_thread(incoming.store, path)
        except TimeoutError as error:
            raise TimedOut(f"{shown_url(url)} did not arrive within {self._timeout:g} s") from error
        except OSError as error:
            raise TemporaryError(f"cannot store {shown_url(url)} in {self._folder}: {error}") from error
        finally:
            # Never in the event loop, and not for long: a disk that hangs must not hold the agent.
            closing = asyncio.get_running_loop().run_in_executor(None, incoming.close)
            await asyncio.wait({closing}, timeout=_CLOSE_SECONDS)

    def _checked_header(self, disk: Path, spec: ImageSpec) -> qemu_img.DiskInfo:
        header = qemu_img.info(disk, spec.format, called=shown_url(spec.url))
        # An image that refers to another file of the host would give the guest the bytes of that file.
        if header.backing_file is not None:
            raise ImageInvalid(f"{shown_url(spec.url)} has a backing file, {header.backing_file}")
        if header.data_file is not None:
            raise ImageInvalid(f"{shown_url(spec.url)} has an external data file, {header.data_file}")
        return header


class _Incoming:
    """A file that arrives: under a temporary name in the cache's folder until its checksum is known to be right.

    ``open``, ``write``, ``store`` and ``close`` block, and run in threads one after the other, in whatever order they
    come: one that comes after ``close`` does nothing.
    """

    def __init__(self, folder: Path, url: str, checksum: str, max_bytes: int) -> None:
        self._folder, self._url, self._checksum, self._max_bytes = folder, shown_url(url), checksum, max_bytes
        self._digest = _new_hash(checksum)
        self._size = 0
        self._waiting = bytearray()
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._path = folder
        self._closed = False

    def open(self) -> None:
        """Create the file; raises OSError."""
        with self._lock:
            if not self._closed:
                self._folder.mkdir(exist_ok=True)  # not its parent, the state folder, which may not be mounted
                handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=self._folder)
                self._file, self._path = FileIO(handle, "wb"), Path(name)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def add(self, part: bytes) -> int:
        """Keep a part in memory; return how many bytes wait to be written. Raises ImageInvalid beyond the limit."""
        self._size += len(part)
        if self._size > self._max_bytes:
            raise ImageInvalid(f"{self._url} is larger than the limit of {self._max_bytes} bytes")
        self._waiting += part
        return len(self._waiting)

    def write(self) -> None:
        """Write what waits; raises OSError."""
        with self._lock:
            self._write()

    def store(self, path: Path) -> None:
        """Flush and rename the file; raises ImageInvalid if its bytes have another checksum, OSError."""
        with self._lock:
            self._write()
            if self._file is None:
                return
            os.fsync(self._file.fileno())
            actual = f"{self._checksum.partition(':')[0]}:{self._digest.hexdigest()}"
            if actual != self._checksum:
                # Not which one they have: that would reveal files that nobody may read.
                raise ImageInvalid(f"{self._url} does not have the checksum that the Image says")
            self._path.chmod(0o444)
            self._path.replace(path)

    def close(self) -> None:
        """Delete the file unless it was stored."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                with suppress(OSError):
                    self._file.close()
                self._file = None
                with suppress(OSError):
                    self._path.unlink()

    def _write(self) -> None:
        if self._file is None:
            return
        self._digest.update(self._waiting)
        rest = memoryview(bytes(self._waiting))
        self._waiting.clear()
        while rest:
            rest = rest[self._file.write(rest) :]


def _delete_leftovers(folder: Path) -> None:
    """Delete the files of fetches that ended with their process. One that cannot be deleted costs space only."""
    with suppress(OSError):
        for path in list(folder.glob(f"{_PARTIAL}*")):
            with suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises while the fetch runs
                path.unlink()


def _new_hash(checksum: str) -> hashlib._Hash:
    return hashlib.new(checksum.partition(":")[0])
