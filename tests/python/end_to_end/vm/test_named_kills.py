"""Processes killed in the middle of operations on real virtual machines (failure model).

Whatever is killed, and however far the operation has come: it is started again, exactly the asked
machines run in the end, none ever ran twice, no other machine notices, and no address, assignment,
capacity, disk, tap or route is left over. Eight of the kills belong to every test run; the rest of
the matrix of processes and operations is slow.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from controller.agent.drivers.libvirt.names import domain_uuid
from controller.lab.settings import Node
from tests.python.end_to_end.vm import hypervisors
from tests.python.end_to_end.vm.hypervisors import Eyes
from tests.python.end_to_end.vm.site import Document, Site, compute_key
from tests.python.end_to_end.vm.watcher import watching

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]
PROCESSES = {
    "root-controller": "resource-controller",
    "cluster-controller": "cluster-controller",
    "resource-api": "resource-api",
    "cluster-api": "cluster-api",
    "agent": "cluster-agent",
    "libvirtd": "libvirtd",
    "target-agent": "cluster-agent",
    "target-libvirtd": "libvirtd",
}
OF_NODES = ("cluster-agent", "libvirtd")


@dataclass(frozen=True)
class Begun:
    """An operation under way."""

    replicas: int
    """Machines that there are to be in the end."""
    node: Callable[[], Node]
    """Where the machine that it is about is, or comes from."""
    middle: Callable[[str], bool]
    """Whether it has come so far that a process (by its role) has its hands in it."""
    target: Node | None = None


def create(site: Site) -> Begun:
    """One machine more."""
    before = site.names()
    site.scale(len(before) + 1)

    def fresh() -> Document | None:
        return next((row for row in site.computes() if row["name"] not in before), None)

    def middle(role: str) -> bool:
        row = fresh()
        if row is None or role not in OF_NODES:
            return row is not None
        node = row["observed"].get("node")
        if node is None or role == "cluster-agent":
            return node is not None
        return domain_uuid(row["uid"]) in hypervisors.states(site.lab.layout.node(node))

    def node() -> Node:
        row = fresh()
        assert row is not None
        return site.lab.layout.node(row["observed"]["node"])

    return Begun(len(before) + 1, node, middle)


def scale_down(site: Site) -> Begun:
    """One machine less, which takes its time to shut down."""
    replicas = len(site.names()) - 1
    tail = site.computes()[-1]
    node = site.node_of(tail["name"])
    site.scale(replicas)

    def middle(role: str) -> bool:
        row = next((row for row in site.computes() if row["name"] == tail["name"]), None)
        return row is None or row["status"].startswith("Deleting")

    return Begun(replicas, lambda: node, middle)


def migration(site: Site) -> Begun:
    """A machine on its way: the target's hypervisor has begun to take it."""
    replicas, source, target, uuid = _migrate(site)
    return Begun(replicas, lambda: source, lambda role: uuid in hypervisors.states(target), target)


def finish(site: Site) -> Begun:
    """A machine that has stopped on the source, and is not yet the target's."""
    replicas, source, target, uuid = _migrate(site)
    ends = Eyes(source), Eyes(target)

    def middle(role: str) -> bool:
        here, there = (eyes.states() for eyes in ends)
        return here is not None and uuid in (there or {}) and here.get(uuid) != hypervisors.RUNNING

    return Begun(replicas, lambda: source, middle, target)


def _migrate(site: Site) -> tuple[int, Node, Node, str]:
    replicas, source, target = len(site.names()), site.node_of("web-0"), site.another_node("web-0")
    uuid = domain_uuid(site.compute("web-0")["uid"])
    site.act(compute_key("web-0"), "migrate", {"node": target.name})
    return replicas, source, target, uuid


Operation = Callable[[Site], Begun]
NAMED: tuple[tuple[str, Operation], ...] = (
    ("root-controller", create),
    ("cluster-controller", create),
    ("cluster-api", scale_down),
    ("resource-api", create),
    ("libvirtd", scale_down),
    ("agent", create),
    ("agent", migration),
    ("target-libvirtd", finish),
)
OPERATIONS: dict[Operation, tuple[int, int]] = {create: (2, 3), scale_down: (3, 4), migration: (2, 4), finish: (2, 4)}
"""How many machines, at least and at most, each begins with: few boots, and room on the nodes."""
REST = tuple(
    (process, operation)
    for operation in OPERATIONS
    for process in PROCESSES
    if (process, operation) not in NAMED and not (process.startswith("target") and operation in (create, scale_down))
)
CASES = [
    *(pytest.param(*case, id=f"{case[0]}-in-{case[1].__name__}") for case in NAMED),
    *(pytest.param(*case, id=f"{case[0]}-in-{case[1].__name__}", marks=pytest.mark.slow) for case in REST),
]


@pytest.mark.design("A1", "A2", "A4", "A5", "A6", "E1", "H5", "K2", "K3")
@pytest.mark.parametrize(("process", "operation"), CASES)
def test_killed_in_the_middle(site: Site, process: str, operation: Operation) -> None:
    least, most = OPERATIONS[operation]
    there = len(site.names())
    if not least <= there <= most or site.settled(there):
        site.have(min(max(there, least), most))
    role, boots = PROCESSES[process], site.boots()
    with watching(site.lab):
        begun = operation(site)
        _wait_for(begun.middle, role)
        node = None if role not in OF_NODES else begun.target if process.startswith("target") else begun.node()
        killed = site.kill(role, node)
        site.until_back(role, node, killed)
        site.until_settled(begun.replicas)
    after = site.boots()
    stayed = boots.keys() & after.keys()
    assert {name: after[name] for name in stayed} == {name: boots[name] for name in stayed}, "no machine booted again"
    assert len(after) == begun.replicas


def _wait_for(middle: Callable[[str], bool], role: str) -> None:
    end = time.monotonic() + 90
    while not middle(role):
        assert time.monotonic() < end, "the middle of the operation was not seen"
        time.sleep(0.01)
