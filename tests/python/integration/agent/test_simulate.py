"""Simulated agents are real agents on the real wire; only their machines are not."""

from __future__ import annotations

import asyncio

from controller.agent.simulate import Simulation, Simulator, parse
from tests.python.eventually import eventually
from tests.python.integration.agent.api import SCOPE, Site
from tests.python.unit.agent.bench import item


async def test_agents_in_one_process_work_and_migrate_between_each_other(site: Site) -> None:
    authority = site.path / "pki" / "scopes" / SCOPE
    simulator = Simulator(
        Simulation(agents=20, api=site.target, cluster="tokyo1", authority=authority, heartbeat=1, ramp=0.2)
    )
    task = asyncio.create_task(simulator.run())
    try:
        await eventually(lambda: simulator.connected == 20)
        for number in range(20):
            site.api.assign(f"sim-{number}", *(item(f"u{number}-{index}", index=index) for index in range(5)))
        await eventually(lambda: [site.api.active(f"sim-{number}") for number in range(20)] == [5] * 20)
        site.api.assign("sim-1", item("u0-0", role="Incoming", name="u0-0-2", attempt=2))
        await eventually(lambda: site.api.resource("sim-1", "u0-0").migration == "Prepared")
        send = item("u0-0", migrate_to="sim-1", migrate_address="memory:sim-1", migrate_ready=True, attempt=2)
        site.api.assign("sim-0", send)
        await eventually(lambda: site.api.resource("sim-0", "u0-0").migration == "Sent")
        assert simulator.world.double_runs() == []
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_command_line() -> None:
    arguments = "--agents 3 --api h:1 --cluster c --authority /a --prefix n --first 2 --memory-mib 1024"
    simulation = parse(arguments.split())
    assert simulation.nodes == ["n2", "n3", "n4"]
    assert simulation.capacity.memory_mib == 1024
