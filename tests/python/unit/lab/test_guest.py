"""The guest's own program and the cache of images, without building or booting anything."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from controller.errors import PermanentError
from controller.lab import guest
from controller.lab.guest import build, kernel
from controller.lab.guest.files import guest as program

NAMES = {"52:54:00:00:00:01": "eth0"}
LINK = {"id": "service0", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01".upper(), "mtu": 1400}


def network(**more: object) -> dict[str, object]:
    return {"id": "n", "link": "service0", "type": "ipv4", "ip_address": "172.16.10.10", **more}


@pytest.mark.design("B6")
def test_an_address_in_a_subnet_gets_its_gateway_on_that_subnet() -> None:
    data = {"links": [LINK], "networks": [network(netmask="255.255.255.0", gateway="172.16.10.1")]}
    assert list(program.commands(data, NAMES)) == [
        ("link", "set", "lo", "up"),
        ("link", "set", "eth0", "mtu", "1400"),
        ("link", "set", "eth0", "up"),
        ("address", "add", "172.16.10.10/24", "dev", "eth0"),
        ("route", "replace", "0.0.0.0/0", "via", "172.16.10.1", "dev", "eth0"),
    ]


@pytest.mark.design("B6")
def test_an_address_alone_reaches_its_gateway_by_a_route_of_its_own() -> None:
    routes = [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "172.16.10.1"}]
    data = {"links": [LINK], "networks": [network(netmask="255.255.255.255", routes=routes)]}
    assert list(program.commands(data, NAMES))[-3:] == [
        ("address", "add", "172.16.10.10/32", "dev", "eth0"),
        ("route", "replace", "172.16.10.1/32", "dev", "eth0"),
        ("route", "replace", "0.0.0.0/0", "via", "172.16.10.1", "dev", "eth0"),
    ]


@pytest.mark.design("B6")
def test_a_route_without_a_gateway_is_on_the_link() -> None:
    routes = [{"network": "172.16.10.1", "netmask": "255.255.255.255", "gateway": "0.0.0.0"}]
    data = {"links": [LINK], "networks": [network(netmask="255.255.255.255", routes=routes)]}
    assert list(program.commands(data, NAMES))[-1] == ("route", "replace", "172.16.10.1/32", "dev", "eth0")


def test_links_that_the_machine_does_not_have_are_left_out() -> None:
    data = {"links": [LINK], "networks": [network(netmask="255.255.255.0")]}
    assert list(program.commands(data, {})) == [("link", "set", "lo", "up")]


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RESOURCE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert guest.cache_folder() == tmp_path / "resource-service"
    monkeypatch.setenv("RESOURCE_CACHE", str(tmp_path / "own"))
    assert guest.cache_folder() == tmp_path / "own"


def fake_build(work: Path, say: object) -> None:
    for name in ("vmlinux", "initrd", "disk.qcow2", "empty.qcow2"):
        (work / name).write_text(name)
    (work / "scratch").mkdir()


def test_an_image_is_built_once_and_what_a_killed_build_left_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[Path] = []

    def counted(work: Path, say: object) -> None:
        calls.append(work)
        fake_build(work, say)

    monkeypatch.setattr(build, "build", counted)
    (tmp_path / "guest" / "0123.building").mkdir(parents=True)
    first = guest.guest_image(tmp_path)
    assert guest.guest_image(tmp_path) == first
    assert guest.tiny_image(tmp_path).kernel_checksum == first.kernel_checksum
    assert len(calls) == 1
    assert sorted(path.name for path in (tmp_path / "guest").iterdir()) == [first.kernel.parent.name, "lock"]
    assert first.spec().checksum == first.disk_checksum
    assert "root=/dev/vda" in first.cmdline
    assert "root=" not in guest.tiny_image(tmp_path).cmdline


def test_a_build_that_fails_leaves_no_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(work: Path, say: object) -> None:
        (work / "vmlinux").write_text("half")
        raise PermanentError("no")

    monkeypatch.setattr(build, "build", fail)
    with pytest.raises(PermanentError):
        guest.guest_image(tmp_path)
    monkeypatch.setattr(build, "build", fake_build)
    assert guest.guest_image(tmp_path).kernel.read_text() == "vmlinux"


def test_the_kernel_inside_a_compressed_image_is_found(tmp_path: Path) -> None:
    image = tmp_path / "vmlinuz"
    image.write_bytes(b"stub" * 8 + gzip.compress(b"not it") + gzip.compress(b"\x7fELF kernel") + b"trailer")
    kernel.extract_vmlinux(image, tmp_path / "vmlinux")
    assert (tmp_path / "vmlinux").read_bytes() == b"\x7fELF kernel"


def test_an_image_without_a_kernel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(b"nothing")
    with pytest.raises(PermanentError, match="found no kernel"):
        kernel.extract_vmlinux(tmp_path / "vmlinuz", tmp_path / "vmlinux")
