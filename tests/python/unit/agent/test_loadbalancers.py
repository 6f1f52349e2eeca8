"""Loadbalancers of the in-memory driver."""

from __future__ import annotations

from controller.agent.drivers.memory import MemoryDriver, MemoryHypervisors
from controller.clock import VirtualClock
from tests.python.unit.agent.bench import Benches

HERE = "memory:server0"


async def test_a_loadbalancer_is_reported_only_by_the_memory_driver(
    benches: Benches, clock: VirtualClock, world: MemoryHypervisors
) -> None:
    import json

    from controller.wire.agent_pb2 import AssignmentItem

    def balancer(uid: str, provider: str, role: str = "Owner") -> AssignmentItem:
        template = {"provider": provider, "network": "service"}
        body = {"service": "web", "cluster": "tokyo1", "vip": "172.16.10.100", "template": template}
        return AssignmentItem(
            name=f"{uid}-1",
            resource_kind="Loadbalancer",
            resource="default/kanto/web",
            resource_uid=uid,
            role=role,
            revision=1,
            spec=json.dumps(body).encode(),
        )

    bench = await benches.start(MemoryDriver(HERE, world, clock=clock), clock)
    await bench.assign(balancer("l0", "memory"), balancer("l1", "xdp"))
    await bench.until(lambda: bench.report("l0").status == "Active" and bench.report("l1").status == "Error")
    assert "does not have a driver" in bench.report("l1").status_reason
    await bench.assign(balancer("l0", "memory", role="Leaving"))
    await bench.until(lambda: bench.report("l0").state == "Absent")
