"""The domain's XML and what is read back of it."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from controller.agent.drivers.base import Desired
from controller.agent.drivers.libvirt import definition
from controller.agent.drivers.libvirt.definition import DiskFile, Mark
from controller.agent.images import CachedImage
from controller.model.compute import ComputeSpec, Interface
from controller.model.flavor import Sizes
from controller.model.image import ImageSpec

UID = "0198c0ffee0198c0ffee0198c0ffee01"


def desired(revision: int = 1, **changes: Any) -> Desired:
    values: dict[str, Any] = {
        "service": "web",
        "index": 0,
        "host_name": "web-0.default.kanto",
        "cluster": "tokyo1",
        "provider": "libvirt",
        "sizes": Sizes(vcpus=2, memory_mib=256, disk_gib=1),
        "image": ImageSpec(url="file:///srv/a.qcow2", checksum="sha256:" + "0" * 64, cmdline='a="<&>"'),
        "interfaces": tuple(
            Interface(
                network="service",
                address=IPv4Address(f"172.16.10.1{number}"),
                prefix_length=24,
                gateway=IPv4Address("172.16.10.1"),
                mac=f"52:54:ac:10:0a:0{number}",
            )
            for number in range(2)
        ),
    }
    return Desired(UID, "default.kanto.web-0", revision, ComputeSpec(**{**values, **changes}))


def xml(what: Desired, *, kvm: bool = False, kernel: Path | None = Path("/images/k")) -> str:
    return definition.domain_xml(
        what,
        kvm=kvm,
        image=CachedImage(Path("/images/disk"), 1 << 20, kernel),
        disks=[DiskFile(Path("/m/root.qcow2"), "vda", "root"), DiskFile(Path("/m/data.qcow2"), "vdb", "data")],
        config_drive=Path("/m/config.iso"),
        console_log=Path("/m/console.log"),
    )


@pytest.mark.design("E1")
def test_what_was_written_is_read_back() -> None:
    what = desired(revision=4, reboots=3)
    found = definition.read(xml(what))
    assert found is not None
    assert found.mark == Mark.of(what)
    assert (found.mark.uid, found.mark.revision, found.mark.reboots) == (UID, 4, 3)
    assert found.taps == definition.tap_names(UID, what.spec)
    assert found.disks == ("vda", "vdb"), "the ConfigDrive is not sent along: it is on the target"


def test_values_are_escaped() -> None:
    root = ElementTree.fromstring(xml(desired()))
    assert root.findtext("os/cmdline") == 'a="<&>"'


def test_foreign_domains_are_not_ours() -> None:
    assert definition.read("<domain><name>other</name></domain>") is None
    foreign = xml(desired()).replace(definition.NAMESPACE, "urn:somebody:else")
    assert definition.read(foreign) is None


def test_the_domain_has_what_migration_needs() -> None:
    root = ElementTree.fromstring(xml(desired()))
    assert [driver.get("cache") for driver in root.findall("devices/disk/driver")][:2] == ["none", "none"]
    log = root.find("devices/serial/log")
    assert log is not None
    assert log.get("append") == "on", "the target would empty the log"
    assert root.findtext("on_poweroff") == "destroy"
    assert [mac.get("address") for mac in root.findall("devices/interface/mac")] == [
        "52:54:ac:10:0a:00",
        "52:54:ac:10:0a:01",
    ]


@pytest.mark.parametrize(("kvm", "kind"), [(True, "kvm"), (False, "qemu")])
def test_type_follows_the_proof(kvm: bool, kind: str) -> None:
    assert ElementTree.fromstring(xml(desired(), kvm=kvm)).get("type") == kind


def test_without_a_kernel_the_disk_boots() -> None:
    root = ElementTree.fromstring(xml(desired(), kernel=None))
    assert root.find("os/kernel") is None
    boot = root.find("os/boot")
    assert boot is not None
    assert boot.get("dev") == "hd"


def test_identity_follows_from_the_uid_alone() -> None:
    assert definition.domain_uuid(UID) == definition.domain_uuid(UID) != definition.domain_uuid(UID + "x")
    names = {definition.tap_name(UID, index) for index in range(20)}
    assert len(names) == 20
    assert all(len(name) <= 15 for name in names)


def test_digest_sees_what_needs_a_new_domain_and_nothing_else() -> None:
    base = definition.digest(desired().spec)
    assert definition.digest(desired(shutdown_timeout=1, reboots=5).spec) == base
    assert definition.digest(desired(sizes=Sizes(vcpus=1, memory_mib=256, disk_gib=1)).spec) != base
    assert definition.digest(desired(user_data="x").spec) != base
    assert definition.digest(desired(interfaces=()).spec) != base


@pytest.mark.parametrize(("index", "name"), [(0, "vda"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba")])
def test_disk_targets(index: int, name: str) -> None:
    assert definition.disk_target(index) == name
