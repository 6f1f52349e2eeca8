"""The service network follows the machines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from ipaddress import IPv4Address

import pytest

from controller.agent.assignments import Assignments
from controller.agent.drivers.memory import MemoryHypervisors
from controller.agent.network import NetworkReconciler, TapState
from controller.agent.observer import Observer
from controller.clock import VirtualClock
from controller.errors import Unavailable
from controller.hostnet.access import Access
from controller.hostnet.access import ServiceAccess as ServiceRules
from controller.model.security_group import IngressRule
from controller.wire.agent_pb2 import AddressSet, NetworkAccess, SecurityGroupRules, ServiceAccess
from controller.wire.agent_pb2 import Assignments as Message
from tests.python.contract.drivers.memory_hosts import MemoryHosts
from tests.python.unit.agent.bench import item


class Recorder:
    """Records the taps of each call."""

    def __init__(self) -> None:
        self.calls: list[list[TapState]] = []
        self.access: Access | None = None
        self.failing = False

    async def sync(self, taps: Sequence[TapState], access: Access | None) -> None:
        if self.failing:
            raise Unavailable("no netlink")
        self.calls.append(list(taps))
        self.access = access


@pytest.mark.design("B5")
async def test_taps_follow_the_machines_and_only_running_ones_are_announced(
    clock: VirtualClock, world: MemoryHypervisors
) -> None:
    hosts = MemoryHosts(world)
    driver = await hosts.driver()
    assignments = Assignments()
    port = Recorder()
    reconciler = NetworkReconciler(port, Observer(driver, 60), assignments, clock=clock)
    task = asyncio.create_task(reconciler.run())
    await clock.advance(40)
    assert port.calls == [], "before it knows its assignments the agent leaves the network alone"

    await assignments.apply(Message(full=True, version=1, items=[item("u0")]))
    found = assignments.get("u0")
    assert found is not None
    await driver.ensure(found.desired, run=True)
    reconciler.trigger()
    await clock.advance(0)
    (tap,) = port.calls[-1]
    assert (str(tap.address), str(tap.gateway), tap.mac, tap.running) == (
        "172.16.10.10",
        "172.16.10.1",
        "52:54:ac:10:0a:0a",
        True,
    )
    await driver.stop("u0", timeout=0)
    port.failing = True
    reconciler.trigger()
    await clock.advance(0)
    port.failing = False
    await clock.advance(5)
    assert [one.running for one in port.calls[-1]] == [False]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.design("B5")
async def test_the_network_gets_who_may_connect_and_rules_of_a_newer_cluster_accept_nothing(
    clock: VirtualClock, world: MemoryHypervisors
) -> None:
    driver = await MemoryHosts(world).driver()
    assignments = Assignments()
    port = Recorder()
    reconciler = NetworkReconciler(port, Observer(driver, 60), assignments, clock=clock)
    task = asyncio.create_task(reconciler.run())
    await assignments.apply(Message(full=True, version=1, items=[item("u0")]))
    found = assignments.get("u0")
    assert found is not None
    await driver.ensure(found.desired, run=True)
    reconciler.trigger()
    await clock.advance(0)
    assert port.access is None
    assert [one.service for one in port.calls[-1]] == ["default/kanto/web"]

    rules = [{"port": 80, "network": "0.0.0.0/0"}, {"protocol": "SCTP", "network": "0.0.0.0/0"}, {"colour": "red"}]
    access = NetworkAccess(
        services=[
            ServiceAccess(service="default/kanto/web", members=[0x0A000001], groups=["default/web", "default/x"])
        ],
        groups=[
            SecurityGroupRules(group="default/web", spec=json.dumps({"ingress": rules}).encode()),
            SecurityGroupRules(group="default/x", spec=b"[]"),
        ],
        sources=[AddressSet(source="project shop", addresses=[1, 2])],
    )
    await assignments.apply(Message(version=2, access=access))
    reconciler.trigger()
    await clock.advance(0)
    assert port.access == Access(
        services={
            "default/kanto/web": ServiceRules(frozenset({IPv4Address("10.0.0.1")}), ("default/web", "default/x"))
        },
        groups={"default/web": (IngressRule.model_validate(rules[0]),), "default/x": ()},
        sources={"project shop": frozenset({IPv4Address("0.0.0.1"), IPv4Address("0.0.0.2")})},
    )
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
