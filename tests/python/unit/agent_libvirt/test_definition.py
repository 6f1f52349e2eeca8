"""The domain's XML, and what is parsed from it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from controller.agent.drivers.libvirt import definition
from controller.agent.drivers.libvirt.definition import DiskFile
from controller.agent.drivers.libvirt.mark import NAMESPACE, HostPart, Mark
from controller.agent.drivers.libvirt.names import tap_names
from controller.agent.drivers.limits import limits_of
from controller.agent.drivers.types import Desired
from controller.agent.images import CachedImage
from controller.model.compute import ComputeSpec, Interface
from controller.model.flavor import CpuMode, Sizes
from controller.model.image import ImageSpec
from controller.model.node import NumaCell

LAYOUT = (
    NumaCell(cell=0, cpus=(0, 1), pinned_cpus=(2, 3), memory_mib=4096),
    NumaCell(cell=1, cpus=(4, 5), pinned_cpus=(6, 7), memory_mib=4096),
)
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
        limits=limits_of(what, LAYOUT),
        mark=Mark.of(what, "layout"),
        kvm=kvm,
        image=CachedImage(Path("/images/disk"), 1 << 20, kernel),
        disks=[DiskFile(Path("/m/root.qcow2"), "vda", "root"), DiskFile(Path("/m/data.qcow2"), "vdb", "data")],
        config_drive=Path("/m/config.iso"),
        console_log=Path("/m/console.log"),
    )


@pytest.mark.design("E1")
def test_what_was_written_is_read_back() -> None:
    what = desired(revision=4, reboots=3)
    found = definition.parse(xml(what))
    assert found is not None
    assert found.mark == Mark.of(what, "layout")
    assert (found.mark.uid, found.mark.revision, found.mark.reboots) == (UID, 4, 3)
    assert found.taps == tap_names(UID, what.spec)
    assert found.disks == ("vda", "vdb"), "the ConfigDrive is not sent along: it is on the target"


def test_values_are_escaped() -> None:
    root = ElementTree.fromstring(xml(desired()))
    assert root.findtext("os/cmdline") == 'a="<&>"'


def test_foreign_domains_are_not_ours() -> None:
    assert definition.parse("<domain><name>other</name></domain>") is None
    foreign = xml(desired()).replace(NAMESPACE, "urn:somebody:else")
    assert definition.parse(foreign) is None


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


@pytest.mark.parametrize(("index", "name"), [(0, "vda"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba")])
def test_disk_targets(index: int, name: str) -> None:
    assert definition.disk_target(index) == name


def tune(**changes: Any) -> ElementTree.Element:
    sizes = {"vcpus": 2, "memory_mib": 256, "disk_gib": 1, **changes.pop("sizes", {})}
    return ElementTree.fromstring(xml(replace(desired(sizes=Sizes(**sizes)), **changes)))


def pins(root: ElementTree.Element) -> list[str | None]:
    return [pin.get("cpuset") for pin in root.findall("cputune/vcpupin")]


@pytest.mark.design("I3")
def test_a_shared_machine_is_kept_off_pinned_cpus_and_capped() -> None:
    root = tune(sizes={"cpu_percent": 30})
    assert pins(root) == ["0-1,4-5"] * 2
    found = {name: root.findtext(f"cputune/{name}") for name in ("period", "quota", "global_period", "global_quota")}
    assert found == {"period": "100000", "quota": "30000", "global_period": "100000", "global_quota": "60000"}
    assert root.find("numatune") is None


@pytest.mark.design("I3")
def test_at_100_percent_nothing_is_asked_that_needs_cgroups() -> None:
    names = [child.tag for child in tune().findall("cputune/*")]
    assert set(names) == {"vcpupin", "emulatorpin"}


@pytest.mark.design("I3")
def test_a_pinned_machine_has_its_cpus_and_cells() -> None:
    root = tune(sizes={"cpu_mode": CpuMode.PINNED, "huge_pages": True}, cells=(1,), cpus=(6, 7))
    assert pins(root) == ["6", "7"]
    emulator, memory = root.find("cputune/emulatorpin"), root.find("numatune/memory")
    assert emulator is not None
    assert memory is not None
    assert emulator.get("cpuset") == "6-7"
    assert (memory.get("mode"), memory.get("nodeset")) == ("strict", "1")
    page = root.find("memoryBacking/hugepages/page")
    assert page is not None
    assert (page.get("size"), page.get("unit")) == ("2048", "KiB")


@pytest.mark.design("I4")
def test_all_disks_are_in_one_group() -> None:
    tuned = tune(sizes={"disk_iops": 100, "disk_mibps": 3}).findall("devices/disk/iotune")
    assert len(tuned) == 3, "the ConfigDrive too: reading it is work for the same disk"
    for one in tuned:
        assert {child.tag: child.text for child in one} == {
            "total_iops_sec": "100",
            "total_bytes_sec": str(3 << 20),
            "group_name": definition.IO_GROUP,
        }
    assert not tune().findall("devices/disk/iotune")


@pytest.mark.design("D6")
def test_what_is_sent_to_another_host_binds_to_nothing_of_this_one() -> None:
    sizes = Sizes(vcpus=2, memory_mib=256, disk_gib=1, cpu_percent=30, disk_iops=100)
    here = xml(replace(desired(sizes=sizes), cells=(1,)))
    sent = definition.portable(here)
    root = ElementTree.fromstring(sent)
    assert not pins(root)
    assert root.find("numatune") is None
    assert root.findtext("cputune/quota") == "30000", "a host that cannot keep the limit is to refuse it"
    assert len(root.findall("devices/disk/iotune")) == 3
    before, found = definition.parse(here), definition.parse(sent)
    assert before is not None
    assert found is not None
    assert before.mark.host_part == HostPart((1,), (), "layout")
    assert found.mark == replace(before.mark, host_part=HostPart()), "else the target would take it for bound"
