"""The limits of a machine, from its sizes and what was assigned to it.

cell 0: shared 0 1, pinned 2 3       cell 1: shared 4 5, pinned 6 7
"""

from __future__ import annotations

from typing import Any

import pytest

from controller.agent.drivers.limits import Limits, limits_of
from controller.agent.drivers.types import Desired
from controller.errors import PermanentError
from controller.model.compute import ComputeSpec, Interface
from controller.model.flavor import CpuMode, MachineShare, Sizes
from controller.model.node import NumaCell

LAYOUT = (
    NumaCell(cell=0, cpus=(0, 1), pinned_cpus=(2, 3), memory_mib=4096),
    NumaCell(cell=1, cpus=(4, 5), pinned_cpus=(6, 7), memory_mib=4096),
)
PINNED: dict[str, Any] = {"cpu_mode": CpuMode.PINNED}


def limits(
    *, cells: tuple[int, ...] = (), cpus: tuple[int, ...] = (), nics: int = 0, layout: Any = LAYOUT, **sizes: Any
) -> Limits:
    spec = ComputeSpec.model_validate(
        {
            "service": "web",
            "index": 0,
            "host_name": "web-0",
            "cluster": "tokyo1",
            "provider": "libvirt",
            "image": {"url": "file:///srv/a.qcow2", "checksum": "sha256:" + "0" * 64},
            "sizes": Sizes(**{"vcpus": 2, "memory_mib": 256, "disk_gib": 1, **sizes}),
            "interfaces": [
                Interface.model_validate(
                    {
                        "network": "service",
                        "address": f"172.16.10.1{number}",
                        "prefix_length": 24,
                        "gateway": "172.16.10.1",
                        "mac": f"52:54:ac:10:0a:0{number}",
                    }
                )
                for number in range(nics)
            ],
        }
    )
    return limits_of(Desired("u0", "default.kanto.web-0", 1, spec, cells, cpus), layout)


@pytest.mark.design("I3")
@pytest.mark.parametrize(
    ("cells", "threads"), [((), (0, 1, 4, 5)), ((1,), (4, 5)), ((0, 1), (0, 1, 4, 5)), ((1, 0), (0, 1, 4, 5))]
)
def test_shared_machines_run_on_the_shared_cpus_of_their_cells(
    cells: tuple[int, ...], threads: tuple[int, ...]
) -> None:
    found = limits(cells=cells, cpu_percent=40)
    assert found.vcpus == (threads, threads)
    assert (found.emulator, found.cells, found.cpu_percent) == (threads, tuple(sorted(cells)), 40)
    assert found.capped


@pytest.mark.design("I3")
def test_pinned_machines_have_a_cpu_for_each_vcpu() -> None:
    found = limits(cells=(1,), cpus=(7, 6), **PINNED)
    assert found.vcpus == ((6,), (7,))
    assert (found.emulator, found.cpu_percent, found.capped) == ((6, 7), 100, False)


@pytest.mark.design("I5")
@pytest.mark.parametrize("mode", CpuMode)
def test_shares_of_the_machine_have_all_of_their_cpus_and_no_limits(mode: CpuMode) -> None:
    cell = limits(cells=(0,), cpus=(2, 3), machine_share=MachineShare.CELL, cpu_mode=mode)
    assert cell.vcpus == ((0, 1, 2, 3),) * 2
    whole = limits(cells=(0, 1), cpus=(2, 3, 6, 7), machine_share=MachineShare.MACHINE, cpu_mode=mode, nics=1)
    assert whole.vcpus == (tuple(range(8)),) * 2
    assert whole.emulator == tuple(range(8))
    assert (whole.capped, whole.disk_iops, whole.disk_mibps, whole.nic_bytes) == (False, 0, 0, 0)


@pytest.mark.design("I4")
@pytest.mark.parametrize("nics", [1, 2, 3, 7])
def test_interfaces_together_never_have_more_than_was_asked(nics: int) -> None:
    found = limits(nics=nics, network_mbps=1, disk_iops=300, disk_mibps=7)
    assert 0 < found.nic_bytes * nics <= 125_000 < (found.nic_bytes + 1) * nics
    assert (found.disk_iops, found.disk_mibps) == (300, 7)
    assert limits(network_mbps=1).nic_bytes == 0


def test_the_weight_goes_with_the_time_reserved() -> None:
    assert limits(cpu_percent=25).weight * 4 == limits().weight
    assert limits(vcpus=1, cpu_percent=1).weight == 2, "the least that a cgroup takes"
    assert limits(vcpus=1000).weight == 10_000, "the most"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"cells": (2,)}, "NUMA cell 2, which this node does not have"),
        ({"cpus": (2, 9), **PINNED}, "cpu 9, which this node does not offer"),
        ({"cpus": (2,), **PINNED}, "2 pinned vcpus and 1 cpus assigned"),
        ({"layout": [NumaCell(cell=0, pinned_cpus=(0, 1))]}, "needs shared cpus, and this node has none"),
        ({"cells": (0,), "layout": [NumaCell(cell=0, pinned_cpus=(0,))]}, r"cells \[0\] of this node"),
    ],
)
def test_what_is_not_on_the_host_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(PermanentError, match=message):
        limits(**asked)
