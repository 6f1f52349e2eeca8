"""The firewall of one node with 1,000 machines and 100 rules in groups, in a network namespace of its own.

100 services of 10 machines each. Each names one of 10 groups with 10 rules; the rules name networks, the group itself
and a project of 1,000 machines. There are no taps: the firewall needs none. Needs root and nft; without them there are
no figures. cpu is that of this process and of nft, whatever else the machine does.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from pyroute2 import netns

from benchmarks.figures import Figure
from controller.hostnet.access import Access, ServiceAccess
from controller.hostnet.firewall import Table
from controller.hostnet.ruleset import build
from controller.hostnet.service import fixed_part
from controller.model.security_group import IngressRule

MACHINES, SERVICES, GROUPS, RULES = 1000, 100, 10, 10
FIRST = IPv4Address("172.16.0.10")
GATEWAY = IPv4Address("172.16.0.1")


@dataclass(frozen=True)
class Tap:
    """A tap of a machine."""

    tap: str
    address: IPv4Address
    service: str
    gateway: IPv4Address = GATEWAY


def taps(count: int = MACHINES) -> list[Tap]:
    """The machines in turn of each service."""
    return [Tap(f"sv-{number:08x}", FIRST + number, f"default/kanto/s{number % SERVICES}") for number in range(count)]


def access(machines: list[Tap], rules: int = RULES) -> Access:
    """All services, each with one of the groups."""
    members: dict[str, set[IPv4Address]] = {}
    for tap in machines:
        members.setdefault(tap.service, set()).add(tap.address)
    groups = {f"default/g{number}": tuple(_rules(number, rules)) for number in range(GROUPS)}
    return Access(
        services={
            service: ServiceAccess(frozenset(found), (f"default/g{int(service.rpartition('s')[2]) % GROUPS}",))
            for service, found in members.items()
        },
        groups=groups,
        sources={
            "project shop": frozenset(IPv4Address("172.20.0.0") + number for number in range(1000)),
            **{
                f"group {group}": frozenset(IPv4Address("172.21.0.0") + number for number in range(100))
                for group in groups
            },
        },
    )


def _rules(group: int, count: int) -> Iterator[IngressRule]:
    sources = ({"network": f"10.{group}.0.0/16"}, {"group": f"g{group}"}, {"project": "shop"})
    for number in range(count):
        yield IngressRule.model_validate({"port": 8000 + number, **sources[number % len(sources)]})


def run(database: str) -> list[Figure]:
    """Measure all cases once."""
    if os.geteuid() != 0 or shutil.which("nft") is None:
        return []
    name = f"rs-bench-{os.getpid()}"
    netns.create(name)
    try:
        return _inside(name, lambda: _measure(database))
    finally:
        netns.remove(name)


def _inside(name: str, work: Callable[[], list[Figure]]) -> list[Figure]:
    """Return what ``work`` does in a thread that has entered the namespace."""
    found: list[Figure] = []

    def enter() -> None:
        netns.setns(name)
        found.extend(work())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return found


def _measure(database: str) -> list[Figure]:
    table, fixed = Table("bench"), fixed_part("bench", [IPv4Network("10.255.0.0/16")])
    machines = taps()
    whole = access(machines)
    more = taps(MACHINES + 1)
    grown = access(more)
    one_rule = access(more, RULES + 1)

    def apply(some: list[Tap], given: Access) -> Callable[[], object]:
        return lambda: table.apply(fixed, build(some, given))

    cases = (
        ("1,000 machines, 100 rules: the whole table", apply(machines, whole)),
        ("one machine more", apply(more, grown)),
        ("one rule more in each of 10 groups", apply(more, one_rule)),
        ("nothing to change (each resync)", apply(more, one_rule)),
        ("one machine less", apply(machines, access(machines, RULES + 1))),
    )
    figures = []
    for name, work in cases:
        wall, cpu = _timed(work)
        figures.append(Figure(f"firewall: {name}", database, wall * 1000, "ms", note=f"{cpu * 1000:.0f} ms of cpu"))
    listed = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert "to_guest" in listed
    return figures


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    started, cpu = time.monotonic(), _cpu()
    work()
    return time.monotonic() - started, _cpu() - cpu


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_THREAD, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
