"""The node's cache of images, kernels and initrds: one read-only file per checksum (design E10).

A file is in the cache under its checksum only when its bytes fit the checksum: it is fetched under
another name, flushed and renamed. One fetch per file runs at a time in a process; others wait for
it. A file found in the cache is hashed once per process before its first use, so a disk that rotted
while the agent was down is fetched anew instead of being run.

Not promised: that unused files ever go; overlays may stand on them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from controller.agent import qemu_img
from controller.errors import ImageInvalid, NotFound, PermanentError, TemporaryError, TimedOut, Unavailable
from controller.model.image import BootFile, ImageSpec

CHUNK = 1 << 20
RETRY_LATER = {408, 425, 429}


@dataclass(frozen=True)
class CachedImage:
    """An image that is on the node, with the files of its direct boot."""

    disk: Path
    virtual_size: int
    """Bytes."""
    kernel: Path | None = None
    initrd: Path | None = None


class ImageCache:
    """Files by checksum in ``folder``."""

    def __init__(self, folder: Path, *, max_bytes: int, timeout: float) -> None:
        """``max_bytes``: largest file taken; ``timeout``: seconds that one fetch may take."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._locks: dict[str, asyncio.Lock] = {}
        self._verified: set[Path] = set()

    def path(self, checksum: str) -> Path:
        """Where the file of ``checksum`` is or would be; the same path on every node."""
        return self._folder / checksum.replace(":", "-")

    async def image(self, spec: ImageSpec) -> CachedImage:
        """Have the image and its boot files on the node.

        Raises ImageInvalid when bytes, format or a reference to another file are wrong; NotFound
        when the address has nothing; Unavailable and TimedOut when trying again may help.
        """
        disk = await self._file(spec.url, spec.checksum)
        described = await asyncio.to_thread(self._describe, disk, spec)
        return CachedImage(
            disk=disk,
            virtual_size=described.virtual_size,
            kernel=await self._boot_file(spec.kernel),
            initrd=await self._boot_file(spec.initrd),
        )

    async def _boot_file(self, file: BootFile | None) -> Path | None:
        return None if file is None else await self._file(file.url, file.checksum)

    async def _file(self, url: str, checksum: str) -> Path:
        path = self.path(checksum)
        async with self._locks.setdefault(checksum, asyncio.Lock()):
            if path not in self._verified:
                await asyncio.to_thread(self._verify_or_fetch, url, checksum, path)
                self._verified.add(path)
            elif not path.exists():
                await asyncio.to_thread(self._fetch, url, checksum, path)
        return path

    def _verify_or_fetch(self, url: str, checksum: str, path: Path) -> None:
        with suppress(FileNotFoundError):
            digest = _hasher(checksum)
            with path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
            if digest.hexdigest() == checksum.partition(":")[2]:
                return
        self._fetch(url, checksum, path)

    def _fetch(self, url: str, checksum: str, path: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        digest, size = _hasher(checksum), 0
        deadline = time.monotonic() + self._timeout
        handle, name = tempfile.mkstemp(prefix=".fetch-", dir=self._folder)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as file, _source(url, self._timeout) as chunks:
                for chunk in chunks:
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise ImageInvalid(f"{url} is larger than the limit of {self._max_bytes} bytes")
                    if time.monotonic() > deadline:
                        raise TimedOut(f"{url} did not arrive within {self._timeout:.0f} s")
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            actual = f"{checksum.partition(':')[0]}:{digest.hexdigest()}"
            if actual != checksum:
                raise ImageInvalid(f"{url} has the checksum {actual}, expected {checksum}")
            fresh.chmod(0o444)
            fresh.replace(path)
        except OSError as error:
            raise TemporaryError(f"cannot store {url} in {self._folder}: {error}") from error
        finally:
            with suppress(FileNotFoundError):
                fresh.unlink()

    def _describe(self, disk: Path, spec: ImageSpec) -> qemu_img.DiskInfo:
        described = qemu_img.info(disk, spec.format)
        # A file that names another file of the host would give the guest that file's bytes.
        if described.backing_file is not None:
            raise ImageInvalid(f"{spec.url} has a backing file, {described.backing_file}")
        if described.data_file is not None:
            raise ImageInvalid(f"{spec.url} has an external data file, {described.data_file}")
        return described


def _hasher(checksum: str) -> hashlib._Hash:
    return hashlib.new(checksum.partition(":")[0])


@contextmanager
def _source(url: str, timeout: float) -> Iterator[Iterator[bytes]]:
    if url.startswith("file://"):
        path = Path(unquote(urlsplit(url).path))
        try:
            file = path.open("rb")
        except FileNotFoundError as error:
            raise NotFound(f"{url}: no such file on the node") from error
        except OSError as error:
            raise PermanentError(f"{url}: {error.strerror}") from error
        with file:
            yield iter(lambda: file.read(CHUNK), b"")
        return
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=min(timeout, 30.0)) as answer:
            if answer.status_code >= 500 or answer.status_code in RETRY_LATER:
                raise Unavailable(f"{url} answered {answer.status_code}")
            if answer.status_code != 200:
                raise NotFound(f"{url} answered {answer.status_code}")
            yield answer.iter_bytes(CHUNK)
    except httpx.TimeoutException as error:
        raise TimedOut(f"{url}: no answer in time") from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise Unavailable(f"{url}: {error}") from error
    except httpx.InvalidURL as error:
        raise PermanentError(f"{url}: {error}") from error
