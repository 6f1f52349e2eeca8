"""Host facts, read from a made-up host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from controller.agent.host.facts import CapacitySettings, read_capacity, read_numa
from controller.model.node import NumaCell

GIB = 1 << 30


@pytest.fixture
def host(tmp_path: Path) -> Path:
    files = {
        "proc/meminfo": "MemTotal:       16777216 kB\nMemFree: 1 kB\n",
        "sys/devices/system/cpu/online": "0-3,8\n",
    }
    for number, cpus in ((0, "0-1"), (1, "2-3,8")):
        folder = f"sys/devices/system/node/node{number}"
        files[f"{folder}/cpulist"] = f"{cpus}\n"
        files[f"{folder}/meminfo"] = f"Node {number} MemTotal:       8388608 kB\n"
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.design("G6")
def test_capacity_is_what_is_there_less_the_reserves(host: Path) -> None:
    settings = CapacitySettings(reserve_vcpus=1, reserve_memory_mib=384)
    capacity = read_capacity(settings, host / "not/yet/made", host)
    disk = os.statvfs(host)
    assert (capacity.vcpus, capacity.memory_mib) == (4, 16000)
    assert capacity.disk_gib == disk.f_blocks * disk.f_frsize // GIB


def test_settings_can_say_the_capacity(host: Path) -> None:
    settings = CapacitySettings(reserve_vcpus=1, vcpus=2, memory_mib=512, disk_gib=3)
    capacity = read_capacity(settings, host, host)
    assert (capacity.vcpus, capacity.memory_mib, capacity.disk_gib) == (2, 512, 3)


def test_reserves_beyond_the_host_leave_nothing(host: Path) -> None:
    assert read_capacity(CapacitySettings(reserve_vcpus=99), host, host).vcpus == 0


def test_numa_cells(host: Path) -> None:
    assert read_numa(host) == (
        NumaCell(cell=0, cpus=(0, 1), memory_mib=8192),
        NumaCell(cell=1, cpus=(2, 3, 8), memory_mib=8192),
    )


def test_a_kernel_without_numa_has_one_cell(host: Path) -> None:
    import shutil

    shutil.rmtree(host / "sys/devices/system/node")
    assert read_numa(host) == (NumaCell(cell=0, cpus=(0, 1, 2, 3, 8), memory_mib=16384),)
