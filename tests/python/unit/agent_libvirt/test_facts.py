"""Host facts, read from a made-up host: what the node offers, and that cells and capacity agree.

cell 0: cpus 0-1, 8192 MiB       cell 1: cpus 2,3,8, 8192 MiB, 512 MiB of them in huge pages
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from controller.agent.agent_process import make_driver
from controller.agent.host.facts import CapacitySettings, read_cells, read_offer
from controller.agent.settings import AgentSettings
from controller.clock import VirtualClock
from controller.errors import InvalidInput
from controller.model.node import Capacity, NumaCell

GIB = 1 << 30
PAGES = {"hugepages-2048kB": 256, "hugepages-1048576kB": 0}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    files = {
        "proc/meminfo": "MemTotal:       16777216 kB\nMemFree: 1 kB\n",
        "sys/devices/system/cpu/online": "0-3,8\n",
        "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "256\n",
    }
    for number, cpus in ((0, "0-1"), (1, "2-3,8")):
        folder = f"sys/devices/system/node/node{number}"
        files[f"{folder}/cpulist"] = f"{cpus}\n"
        files[f"{folder}/meminfo"] = f"Node {number} MemTotal:       8388608 kB\n"
        for pages, count in PAGES.items():
            files[f"{folder}/hugepages/{pages}/nr_hugepages"] = f"{count * number}\n"
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def offered(host: Path, **values: object) -> Capacity:
    return read_offer(CapacitySettings.model_validate(values), host, host).capacity


@pytest.mark.design("G6")
def test_capacity_is_what_is_there_less_the_reserves(host: Path) -> None:
    settings = CapacitySettings(reserve_vcpus=1, reserve_memory_mib=384)
    capacity = read_offer(settings, host / "not/yet/made", host).capacity
    disk = os.statvfs(host)
    assert (capacity.vcpus, capacity.memory_mib, capacity.hugepages_mib) == (4, 16000 - 512, 512)
    assert capacity.disk_gib == disk.f_blocks * disk.f_frsize // GIB


def test_settings_can_say_the_capacity(host: Path) -> None:
    capacity = offered(host, reserve_vcpus=1, vcpus=2, memory_mib=512, disk_gib=3)
    assert (capacity.vcpus, capacity.memory_mib, capacity.disk_gib) == (2, 512, 3)


@pytest.mark.design("I4")
def test_what_the_devices_can_do_is_said_by_the_operator(host: Path) -> None:
    capacity = offered(host)
    assert (capacity.disk_iops, capacity.disk_mibps, capacity.network_mbps) == (0, 0, 0)
    capacity = offered(host, disk_iops=20000, disk_mibps=900, network_mbps=10000)
    assert (capacity.disk_iops, capacity.disk_mibps, capacity.network_mbps) == (20000, 900, 10000)


def test_reserves_beyond_the_host_leave_nothing(host: Path) -> None:
    capacity = offered(host, reserve_vcpus=99, reserve_memory_mib=1 << 30)
    assert (capacity.vcpus, capacity.memory_mib) == (0, 0)


def test_numa_cells(host: Path) -> None:
    assert read_cells(CapacitySettings(), host) == (
        NumaCell(cell=0, cpus=(0, 1), memory_mib=8192),
        NumaCell(cell=1, cpus=(2, 3, 8), memory_mib=8192 - 512, hugepages_mib=512),
    )


@pytest.mark.design("I3")
def test_pinned_cpus_are_not_shared(host: Path) -> None:
    settings = CapacitySettings(pinned_cpus="1,3-3,8")
    assert [(cell.cpus, cell.pinned_cpus) for cell in read_cells(settings, host)] == [((0,), (1,)), ((2,), (3, 8))]
    capacity = read_offer(settings, host, host).capacity
    assert (capacity.vcpus, capacity.pinned_cpus) == (2, 3)


def test_reserves_are_taken_off_evenly(host: Path) -> None:
    settings = CapacitySettings(reserve_vcpus=3, reserve_memory_mib=1001)
    cells = read_cells(settings, host)
    assert [cell.cpus for cell in cells] == [(), (3, 8)], "two of the cell that has two, then the other's lowest"
    assert [cell.memory_mib for cell in cells] == [8192 - 501, 8192 - 512 - 500]


def test_a_kernel_without_numa_has_one_cell(host: Path) -> None:
    shutil.rmtree(host / "sys/devices/system/node")
    everything = NumaCell(cell=0, cpus=(0, 1, 2, 3, 8), memory_mib=16384 - 512, hugepages_mib=512)
    assert read_cells(CapacitySettings(), host) == (everything,)
    shutil.rmtree(host / "sys/kernel")
    assert read_cells(CapacitySettings(), host)[0].memory_mib == 16384


@pytest.mark.parametrize("more", [{"vcpus": 64}, {"memory_mib": 1 << 20}])
def test_a_node_that_pretends_tells_of_no_limits_by_cell(host: Path, more: dict[str, int]) -> None:
    offer = read_offer(CapacitySettings.model_validate(more), host, host)
    assert offer.cells == ()
    assert len(offer.layout) == 2
    offer = read_offer(CapacitySettings.model_validate({**more, "pinned_cpus": "3,8"}), host, host)
    (cell,) = offer.cells
    assert (cell.cpus, cell.pinned_cpus) == ((0, 1, 2), (3, 8))
    assert (cell.memory_mib, cell.hugepages_mib) == (offer.capacity.memory_mib, offer.capacity.hugepages_mib)


@pytest.mark.design("I1")
@given(
    pinned=some.sets(some.sampled_from([0, 1, 2, 3, 8])),
    cpus=some.integers(0, 6),
    memory=some.integers(0, 20000),
)
def test_capacity_is_the_sum_of_the_cells(host: Path, pinned: set[int], cpus: int, memory: int) -> None:
    values = CapacitySettings(
        pinned_cpus=",".join(map(str, sorted(pinned))), reserve_vcpus=cpus, reserve_memory_mib=memory
    )
    offer = read_offer(values, host, host)
    assert offer.cells == offer.layout
    parts = [cell.capacity for cell in offer.cells]
    for name in ("vcpus", "pinned_cpus", "memory_mib", "hugepages_mib"):
        assert getattr(offer.capacity, name) == sum(getattr(part, name) for part in parts), name
    assert offer.capacity.pinned_cpus == len(pinned)
    assert offer.capacity.vcpus == max(0, 5 - len(pinned) - cpus)
    assert offer.capacity.memory_mib == max(0, 16384 - 512 - memory)
    off = [whole - part.memory_mib for whole, part in zip((8192, 8192 - 512), parts, strict=True)]
    assert abs(off[0] - off[1]) <= 1 or not min(part.memory_mib for part in parts)


def test_a_pinned_cpu_that_does_not_exist_is_one_clear_error(host: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_cells(CapacitySettings(pinned_cpus="2-4"), host)
    (problem,) = caught.value.problems
    assert problem.path == "libvirt.capacity.pinned_cpus"
    assert problem.message == "cpu 4 does not exist: the host has 0-3,8"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2-5,4", "cpu 4 is named twice"),
        ("5-2", "ends before it begins"),
        ("2-x", "must be a cpu"),
        ("-1", "must be a cpu"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        CapacitySettings(pinned_cpus=text)
    assert [error["loc"] for error in caught.value.errors()] == [("pinned_cpus",)]


def test_settings_that_do_not_fit_the_host_end_the_agent_at_its_start() -> None:
    settings = AgentSettings.model_validate(
        {
            "name": "server1",
            "cluster": "tokyo1",
            "listen": "127.0.0.1:0",
            "api": {"target": "127.0.0.1:1"},
            "tls": {"folder": "/nowhere"},
            "libvirt": {"capacity": {"pinned_cpus": "70000"}},
            "network": {"infrastructure": ["10.0.0.0/24"]},
        }
    )
    with pytest.raises(InvalidInput, match=r"libvirt\.capacity\.pinned_cpus: cpu 70000 does not exist"):
        make_driver(settings, VirtualClock())
