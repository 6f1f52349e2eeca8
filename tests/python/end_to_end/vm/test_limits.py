"""Flavors with less than a whole cpu, on nodes of the lab: they run, and libvirt and the kernel keep them to it."""

from __future__ import annotations

import os
from pathlib import Path

import libvirt
import pytest

from controller.lab import cgroups
from controller.model import registry
from tests.python.end_to_end.vm import hypervisors
from tests.python.end_to_end.vm.site import Site

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]
QUARTER = registry.get("ResourceFlavor").key("quarter")
PERIOD = 100_000
"""Microseconds."""


@pytest.mark.design("I3")
def test_a_flavor_with_a_quarter_of_a_cpu_runs_and_is_kept_to_it(site: Site) -> None:
    machine = cgroups.machine()
    if reason := machine.why_not(f"{site.lab.layout.prefix}look"):
        pytest.skip(reason)
    sizes = {"vcpus": 1, "memory_mib": 256, "disk_gib": 1, "cpu_percent": 25}
    flavor = {"kind": "ResourceFlavor", "name": "quarter", "spec": {"provider": "libvirt", "sizes": sizes}}
    site.have(1)
    assert quotas(site, machine) == {"web-0": (None, None, None)}
    site.call(lambda client: client.put(flavor))
    site.put_web(flavor="quarter")
    quarter = PERIOD // 4
    site.until(lambda: "" if site.compute("web-0")["spec"]["sizes"]["cpu_percent"] == 25 else "the flavor is not taken")
    site.until(lambda: "" if (found := quotas(site, machine)) == {"web-0": (quarter,) * 3} else f"quotas {found}")
    site.until_settled(1)
    site.put_web()
    site.until(lambda: "" if (found := quotas(site, machine)) == {"web-0": (None,) * 3} else f"quotas {found}")
    site.until_settled(1)
    site.call(lambda client: client.delete(QUARTER))


def quotas(site: Site, machine: cgroups.Cgroups) -> dict[str, tuple[int | None, int | None, int | None]]:
    """Microseconds of each period that a machine's vcpu gets, by libvirt, by the kernel, and all of its process."""
    found = {}
    uuids = {domain.UUIDString(): (domain, name) for domain, name in domains(site)}
    for guest in hypervisors.guests(site.lab.layout.namespaces):
        if guest.uuid in uuids:
            domain, name = uuids[guest.uuid]
            try:
                told, kernel = domain.schedulerParameters(), kernel_quota(guest, machine)
            except (libvirt.libvirtError, OSError):
                continue  # it went while we looked
            assert (told["vcpu_period"], told["global_period"]) == (PERIOD, PERIOD)
            found[name] = (kept_to(told["vcpu_quota"]), kernel, kept_to(told["global_quota"]))
    return found


def kept_to(quota: int) -> int | None:
    """A machine of one vcpu is kept to nothing by a period or more; what stands for none differs by version."""
    return quota if 0 < quota < PERIOD else None


def domains(site: Site) -> list[tuple[libvirt.virDomain, str]]:
    """All domains with the name of their Compute."""
    found = []
    for node in site.lab.nodes:
        connect = libvirt.open(node.libvirt_uri)
        found += [(domain, domain.name().split(".")[-1]) for domain in connect.listAllDomains()]
    return found


def kernel_quota(guest: hypervisors.Guest, machine: cgroups.Cgroups) -> int | None:
    """What the cgroup of the guest's vcpu thread says. Raises OSError when it is gone."""
    tree = next(tree for tree in machine.trees if "cpu" in tree.controllers)
    for task in Path(f"/proc/{guest.pid}/task").iterdir():
        if (task / "comm").read_text().startswith("CPU 0"):
            lines = [line.split(":", 2) for line in (task / "cgroup").read_text().splitlines()]
            path = next(path for _, names, path in lines if names == tree.options)
            folder = tree.point / guest.namespace / path.partition(f"/{guest.namespace}/")[2]
            quota = (folder / ("cpu.max" if tree.version == 2 else "cpu.cfs_quota_us")).read_text().split()[0]
            return None if quota == "max" else kept_to(int(quota))
    raise FileNotFoundError(f"{guest.pid} has no vcpu")
