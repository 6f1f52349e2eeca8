"""Processes killed in the middle of operations on real virtual machines.

Whatever is killed: in the end exactly the asked machines run, none ever ran twice, and no address,
assignment or place is lost.
"""

from __future__ import annotations

import os
import time

import libvirt
import pytest

from controller.agent.drivers.libvirt.definition import domain_uuid
from controller.lab.settings import Node
from tests.python.end_to_end.lab.site import WEB, Site, compute, states, watched

pytestmark = [
    pytest.mark.vm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]


def settle(site: Site, replicas: int) -> None:
    site.act(WEB, "scale", {"replicas": replicas})
    site.until_settled(replicas)


@pytest.mark.design("H5", "A2", "A6")
@pytest.mark.parametrize("role", ["resource-controller", "cluster-agent", "libvirtd"])
def test_killed_in_the_middle_of_a_create(site: Site, role: str) -> None:
    settle(site, 2)
    with watched(site.lab) as twice:
        site.act(WEB, "scale", {"replicas": 3})
        if role == "resource-controller":
            site.kill(role)
        else:
            site.until(lambda: "" if len(site.computes()) == 3 and _placed(site, "web-2") else "web-2 has no node")
            site.kill(role, site.node_of("web-2"))
        site.until_settled(3)
    assert twice == []


@pytest.mark.design("K3", "A1", "A5")
@pytest.mark.parametrize("role", ["resource-api", "cluster-controller"])
def test_killed_in_the_middle_of_a_scale_down(site: Site, role: str) -> None:
    settle(site, 3)
    with watched(site.lab) as twice:
        site.act(WEB, "scale", {"replicas": 2})
        site.kill(role)
        site.until_settled(2)
    assert twice == []


@pytest.mark.design("E1", "A4")
@pytest.mark.parametrize(
    ("role", "moment"),
    [
        ("cluster-api", "middle"),
        ("libvirtd", "middle"),
        ("libvirtd", "finish"),
        ("cluster-agent", "finish"),
        ("cluster-controller", "finish"),
    ],
)
def test_killed_in_a_migration(site: Site, role: str, moment: str) -> None:
    settle(site, 2)
    source = site.node_of("web-0")
    used = {row["observed"]["node"] for row in site.computes()}
    target = next(node for node in site.lab.nodes if node.name not in used)
    uid, boot = domain_uuid(site.computes()[0]["uid"]), site.answers()["web-0"]["boot_id"]
    with watched(site.lab) as twice:
        site.act(compute("web-0"), "migrate", {"node": target.name})
        wait = _handed_over if moment == "finish" else _arriving
        assert wait(uid, source, target), "the migration was not seen"
        site.kill(role, target if role in ("libvirtd", "cluster-agent") else None)
        site.until_settled(2)
    assert twice == []
    assert site.answers()["web-0"]["boot_id"] == boot, "it was moved or it stayed; it did not boot"


def _placed(site: Site, name: str) -> bool:
    return any(row["name"] == name and row["observed"].get("node") for row in site.computes())


def _arriving(uid: str, source: Node, target: Node) -> bool:
    return _within(60, lambda: uid in states(target))


def _handed_over(uid: str, source: Node, target: Node) -> bool:
    return _within(60, lambda: uid in states(target) and states(source).get(uid) != libvirt.VIR_DOMAIN_RUNNING)


def _within(seconds: float, condition: object) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False
