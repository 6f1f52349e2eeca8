"""Every process killed in the middle of every operation (failure model: nothing lost, nothing doubled).

At process level on the in-memory driver, on both databases. After each kill the process is started
again, and the site must come to what was asked: exactly the asked machines, none twice at any
moment, no address, assignment or capacity leaked.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from controller.model import registry
from tests.python.end_to_end.plant import CLUSTER, Plant

COMPUTE = registry.get("Compute")
NODE = registry.get("Node")
SERVICE = registry.get("RegionService")
PROCESSES = ("resource-api-0", "resource-controller-0", "cluster-api-0", "cluster-controller-0", "agent")
MOMENTS = (0.0, 0.15, 0.4)
"""Seconds after the request at which the process is killed; each case takes one of them in turn."""


def create(site: Plant) -> int:
    site.put_service(3)
    return 3


def scale_up(site: Plant) -> int:
    site.put_service(4)
    return 4


def scale_down(site: Plant) -> int:
    site.put_service(1)
    return 1


def update(site: Plant) -> int:
    site.put_service(2, user_data=f"#changed at {time.monotonic()}")
    return 2


def migrate(site: Plant) -> int:
    source = site.computes()[0]["observed"]["node"]
    target = next(node for node in site.nodes if node != source)
    site.act(COMPUTE.key("kanto", "web-0"), "migrate", {"node": target})
    return 2


def drain(site: Plant) -> int:
    node = site.computes()[0]["observed"]["node"]
    site.act(NODE.key(CLUSTER, node), "drain")
    return 2


def delete(site: Plant) -> int:
    site.delete_service()
    return 0


OPERATIONS: tuple[Callable[[Plant], int], ...] = (create, scale_up, scale_down, update, migrate, drain, delete)
CASES = [(process, operation) for operation in OPERATIONS for process in PROCESSES]


@pytest.mark.design("H5", "K5", "A2", "A5", "A6")
@pytest.mark.parametrize(
    ("process", "operation"),
    CASES,
    ids=[f"{operation.__name__}-{process.removesuffix('-0')}" for process, operation in CASES],
)
def test_a_kill_in_the_middle(site: Plant, process: str, operation: Callable[[Plant], int]) -> None:
    _begin(site, 0 if operation is create else 2)
    name = site.computes()[0]["observed"]["node"] if process == "agent" and site.computes() else process
    name = site.nodes[0] if name == "agent" else name
    expected = operation(site)
    time.sleep(MOMENTS[CASES.index((process, operation)) % len(MOMENTS)])
    site.kill(name)
    time.sleep(0.2)
    site.start(name)
    site.until(lambda: site.settled(expected), deadline=90)
    site.until(lambda: site.leaks() == [], what="no leaks")
    assert site.world.double_runs() == []


def _begin(site: Plant, replicas: int) -> None:
    for row in site.rows("Node", CLUSTER):
        if not row["spec"]["schedulable"]:
            site.act(NODE.key(CLUSTER, row["name"]), "uncordon")
    if replicas:
        site.put_service(replicas)
    elif site.service() is not None:
        site.delete_service()
    site.until(lambda: site.settled(replicas), deadline=90)
