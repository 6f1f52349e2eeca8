"""The ConfigDrive, read back from the ISO."""

from __future__ import annotations

import io
import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from pycdlib import PyCdlib

from controller.agent import config_drive
from controller.model.compute import ComputeSpec, Interface
from controller.model.flavor import Sizes
from controller.model.image import ImageSpec

pytestmark = pytest.mark.design("B6")


def interface(number: int, prefix_length: int) -> Interface:
    return Interface(
        network="service",
        address=IPv4Address(f"172.16.10.1{number}"),
        prefix_length=prefix_length,
        gateway=IPv4Address("172.16.10.1"),
        mac=f"52:54:ac:10:0a:0{number}",
    )


def spec(*interfaces: Interface, user_data: str = "") -> ComputeSpec:
    return ComputeSpec(
        service="web",
        index=3,
        host_name="web-3.default.kanto",
        cluster="tokyo1",
        provider="libvirt",
        sizes=Sizes(vcpus=1, memory_mib=256, disk_gib=1),
        image=ImageSpec(url="file:///a", checksum="sha256:" + "0" * 64),
        interfaces=interfaces,
        ssh_keys=("ssh-ed25519 AAAA one", "ssh-ed25519 AAAA two"),
        user_data=user_data,
    )


def read(path: Path, name: str, *, joliet: bool = False) -> bytes:
    iso = PyCdlib()
    iso.open(str(path))
    content = io.BytesIO()
    where = f"/openstack/latest/{name}"
    if joliet:
        iso.get_file_from_iso_fp(content, joliet_path=where)
    else:
        iso.get_file_from_iso_fp(content, rr_path=where)
    label = iso.pvd.volume_identifier.decode().strip()
    iso.close()
    assert label == "config-2"
    return content.getvalue()


@pytest.mark.parametrize("joliet", [False, True], ids=["rock-ridge", "joliet"])
def test_the_iso_has_everything_by_both_kinds_of_names(tmp_path: Path, joliet: bool) -> None:
    path = tmp_path / "config.iso"
    asked = spec(interface(0, 24), user_data="#cloud-config\nname: 日本\n")
    config_drive.write(path, "uid-1", asked)
    for name, content in config_drive.files("uid-1", asked).items():
        assert read(path, name, joliet=joliet) == content
    assert read(path, "user_data", joliet=joliet).decode() == asked.user_data
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.iso"]


def test_a_drive_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "config.iso"
    config_drive.write(path, "uid-1", spec())
    config_drive.write(path, "uid-2", spec())
    assert json.loads(read(path, "meta_data.json"))["uuid"] == "uid-2"


def test_meta_data_says_who_the_guest_is() -> None:
    said = config_drive.meta_data("uid-1", spec())
    assert said == {
        "uuid": "uid-1",
        "hostname": "web-3.default.kanto",
        "name": "web-3",
        "launch_index": 3,
        "public_keys": {"key-0": "ssh-ed25519 AAAA one", "key-1": "ssh-ed25519 AAAA two"},
    }


def test_network_data_of_a_24() -> None:
    said = config_drive.network_data([interface(0, 24), interface(1, 24)])
    assert [link["ethernet_mac_address"] for link in said["links"]] == ["52:54:ac:10:0a:00", "52:54:ac:10:0a:01"]
    first, second = said["networks"]
    assert (first["link"], first["ip_address"], first["netmask"]) == ("link0", "172.16.10.10", "255.255.255.0")
    assert first["routes"] == [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "172.16.10.1"}]
    assert second["routes"] == [], "one default route"


def test_network_data_of_a_32_says_that_the_gateway_is_on_the_link() -> None:
    (network,) = config_drive.network_data([interface(0, 32)])["networks"]
    assert network["netmask"] == "255.255.255.255"
    assert network["routes"][0] == {"network": "172.16.10.1", "netmask": "255.255.255.255", "gateway": "0.0.0.0"}
    assert network["routes"][1]["gateway"] == "172.16.10.1"


def test_no_user_data_no_file() -> None:
    assert "user_data" not in config_drive.files("u", spec())
