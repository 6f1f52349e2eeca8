"""The image cache, with files of the node as sources."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from controller.agent.image_source.settings import ImageSettings
from controller.agent.image_source.source import ImageSource
from controller.agent.images import ImageCache
from controller.errors import ImageInvalid, NotFound
from controller.model.image import BootFile, ImageFormat, ImageSpec

pytestmark = pytest.mark.design("E10")


def checksum(path: Path, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, path.read_bytes()).hexdigest()}"


def qcow2(path: Path, *options: str, size: str = "1M") -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), size], check=True)
    return path


def spec(path: Path, image_format: ImageFormat = ImageFormat.QCOW2, algorithm: str = "sha256") -> ImageSpec:
    return ImageSpec(url=f"file://{path}", format=image_format, checksum=checksum(path, algorithm))


def source_of(folder: Path) -> ImageSource:
    return ImageSource(ImageSettings.model_validate({"folders": (folder,), "allow": ("127.0.0.0/8",)}))


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path / "images", source_of(tmp_path), max_bytes=10 << 20, timeout=30)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_an_image_is_stored_by_checksum_and_read_only(cache: ImageCache, tmp_path: Path, algorithm: str) -> None:
    source = qcow2(tmp_path / "a.qcow2", size="3M")
    image = await cache.image(spec(source, algorithm=algorithm))
    assert image.virtual_size == 3 << 20
    assert image.disk == cache.path(checksum(source, algorithm))
    assert image.disk.read_bytes() == source.read_bytes()
    assert image.disk.stat().st_mode & 0o777 == 0o444
    assert (image.kernel, image.initrd) == (None, None)


async def test_boot_files_come_along(cache: ImageCache, tmp_path: Path) -> None:
    source, kernel = qcow2(tmp_path / "a.qcow2"), tmp_path / "kernel"
    kernel.write_bytes(b"kernel")
    boot = BootFile(url=f"file://{kernel}", checksum=checksum(kernel))
    image = await cache.image(spec(source).model_copy(update={"kernel": boot, "initrd": boot}))
    assert image.kernel is not None
    assert image.kernel.read_bytes() == b"kernel"
    assert image.initrd == image.kernel


async def test_what_is_cached_is_not_fetched_again(cache: ImageCache, tmp_path: Path) -> None:
    source = qcow2(tmp_path / "a.qcow2")
    wanted = spec(source)
    await cache.image(wanted)
    source.unlink()
    assert (await cache.image(wanted)).disk.exists()
    again = ImageCache(tmp_path / "images", source_of(tmp_path), max_bytes=1, timeout=1)
    assert (await again.image(wanted)).disk.exists(), "nor by a restarted agent"


async def test_a_rotten_file_is_fetched_anew_by_the_next_process(cache: ImageCache, tmp_path: Path) -> None:
    source = qcow2(tmp_path / "a.qcow2")
    wanted = spec(source)
    disk = (await cache.image(wanted)).disk
    disk.chmod(0o644)
    disk.write_bytes(b"rot")
    again = ImageCache(tmp_path / "images", source_of(tmp_path), max_bytes=10 << 20, timeout=30)
    assert (await again.image(wanted)).disk.read_bytes() == source.read_bytes()


async def test_a_deleted_file_is_fetched_anew(cache: ImageCache, tmp_path: Path) -> None:
    wanted = spec(qcow2(tmp_path / "a.qcow2"))
    (await cache.image(wanted)).disk.unlink()
    assert (await cache.image(wanted)).disk.exists()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from controller.agent.image_source.settings import ImageSettings
from controller.agent.image_source.source import ImageSource
from controller.agent.images import ImageCache
from controller.model.image import ImageFormat, ImageSpec

class Slow(ImageSource):
    async def read(self, url):
        yield b"x"
        print("fetching", flush=True)
        sys.stdin.read()

spec = ImageSpec(url="file:///a", format=ImageFormat.RAW, checksum="sha256:" + "0" * 64)
asyncio.run(ImageCache(Path(sys.argv[1]), Slow(ImageSettings()), max_bytes=9, timeout=600).image(spec))
"""


def test_the_leftover_of_a_killed_process_is_deleted_and_a_running_fetch_is_not(tmp_path: Path) -> None:
    """Nothing deleted the ``.fetch-`` file of an agent that was killed: each kill cost the size of an image.

    Then they were deleted while the driver was made, before the folder was known to be the node's own.
    """
    folder = tmp_path / "images"
    missing = ImageSpec(url=f"file://{tmp_path}/none", checksum="sha256:" + "0" * 64)

    async def fetch() -> None:
        with pytest.raises(NotFound):
            await ImageCache(folder, source_of(tmp_path), max_bytes=9, timeout=30).image(missing)

    command = [sys.executable, "-c", KILLED, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "fetching\n"
        (left,) = folder.iterdir()
        (folder / "sha256-other").touch()
        asyncio.run(fetch())
        assert left.exists()
        process.kill()
        process.wait()
    ImageCache(folder, source_of(tmp_path), max_bytes=9, timeout=30)
    assert left.exists(), "nothing is deleted before the first fetch"
    asyncio.run(fetch())
    assert [path.name for path in folder.iterdir()] == ["sha256-other"]


@pytest.mark.design("K5")
async def test_a_wrong_checksum_tells_no_digest_and_leaves_nothing(cache: ImageCache, tmp_path: Path) -> None:
    wrong = qcow2(tmp_path / "a.qcow2")
    expected = "sha256:" + "1" * 64
    with pytest.raises(ImageInvalid, match="does not have the checksum that the Image says") as raised:
        await cache.image(spec(wrong).model_copy(update={"checksum": expected}))
    assert str(wrong) in raised.value.message
    assert checksum(wrong).removeprefix("sha256:")[:8] not in raised.value.message
    assert list((tmp_path / "images").iterdir()) == []


async def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "big"
    source.write_bytes(b"x" * 1001)
    cache = ImageCache(tmp_path / "images", source_of(tmp_path), max_bytes=1000, timeout=30)
    with pytest.raises(ImageInvalid, match="larger than the limit of 1000"):
        await cache.image(spec(source, ImageFormat.RAW))


async def test_another_format_is_refused(cache: ImageCache, tmp_path: Path) -> None:
    source = tmp_path / "text"
    source.write_bytes(b"no disk")
    with pytest.raises(ImageInvalid, match="is not a qcow2 image"):
        await cache.image(spec(source))


async def test_an_image_that_reads_another_file_is_refused(cache: ImageCache, tmp_path: Path) -> None:
    secret = qcow2(tmp_path / "secret.qcow2")
    overlay = qcow2(tmp_path / "overlay.qcow2", "-b", str(secret), "-F", "qcow2")
    with pytest.raises(ImageInvalid, match="backing file"):
        await cache.image(spec(overlay))
    outside = qcow2(tmp_path / "outside.qcow2", "-o", f"data_file={tmp_path}/data")
    with pytest.raises(ImageInvalid, match="external data file"):
        await cache.image(spec(outside))


async def test_a_raw_image_with_a_qcow2_header_is_raw(cache: ImageCache, tmp_path: Path) -> None:
    source = qcow2(tmp_path / "a.qcow2", size="3M")
    image = await cache.image(spec(source, ImageFormat.RAW))
    assert 0 <= image.virtual_size - source.stat().st_size < 512, "its bytes in whole sectors, not the header's size"


async def test_a_missing_source_is_not_found(cache: ImageCache, tmp_path: Path) -> None:
    wanted = ImageSpec(url=f"file://{tmp_path}/none", checksum="sha256:" + "0" * 64)
    with pytest.raises(NotFound):
        await cache.image(wanted)


async def test_many_at_once_share_one_fetch(cache: ImageCache, tmp_path: Path) -> None:
    source = qcow2(tmp_path / "a.qcow2")
    fetched: list[str] = []
    fetch = cache._fetch

    async def counted(url: str, checksum: str, path: Path) -> None:
        fetched.append(url)
        await fetch(url, checksum, path)

    cache._fetch = counted  # type: ignore[method-assign]
    images = await asyncio.gather(*(cache.image(spec(source)) for _ in range(8)))
    assert len(fetched) == 1
    assert len({image.disk for image in images}) == 1
