"""Agents without a network: assignments are handed in, reports are read off, time is virtual."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from controller.agent.agent import Agent
from controller.agent.drivers.base import Driver
from controller.agent.machine_reconciler import WorkLimits
from controller.agent.options import Options
from controller.clock import VirtualClock
from controller.errors import Unavailable
from controller.model.provider import ProviderDriver
from controller.wire.agent_pb2 import AssignmentItem, Assignments, ResourceReport


def spec(index: int = 0, **changes: Any) -> dict[str, Any]:
    """A Compute's spec as JSON values."""
    return {
        "service": "web",
        "index": index,
        "host_name": f"web-{index}.default.kanto",
        "cluster": "tokyo1",
        "provider": "memory",
        "sizes": {"vcpus": 1, "memory_mib": 128, "disk_gib": 1},
        "image": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
        "interfaces": [
            {
                "network": "service",
                "address": f"172.16.10.{10 + index}",
                "prefix_length": 24,
                "gateway": "172.16.10.1",
                "mac": f"52:54:ac:10:0a:{10 + index:02x}",
            }
        ],
        "shutdown_timeout": 60,
        **changes,
    }


def item(uid: str = "u0", *, role: str = "Owner", revision: int = 1, index: int = 0, **values: Any) -> AssignmentItem:
    """An assignment of a Compute; keywords that the message does not have go into the spec."""
    import json

    own = {key: values.pop(key) for key in list(values) if key in AssignmentItem.DESCRIPTOR.fields_by_name}
    own.setdefault("name", f"{uid}-1")
    own.setdefault("delete_disks", role == "Leaving")
    return AssignmentItem(
        resource_kind="Compute",
        resource=f"default/kanto/web-{index}",
        resource_uid=uid,
        role=role,
        revision=revision,
        spec=json.dumps(spec(index, **values)).encode(),
        **own,
    )


class Bench:
    """One agent without a session: its reports are recorded in a list."""

    def __init__(
        self,
        driver: Driver,
        clock: VirtualClock,
        *,
        node: str = "server0",
        state: Path | None = None,
        boot: str = "",
        limits: WorkLimits | None = None,
    ) -> None:
        def no_channel() -> Any:
            raise Unavailable("no cluster API in this test")

        self.clock = clock
        self.agent = Agent(
            Options(
                node=node,
                boot=boot,
                providers={"memory": ProviderDriver.MEMORY},
                limits=limits or WorkLimits(),
                resync=60,
            ),
            driver,
            no_channel,
            clock=clock,
            state=state,
            source=random.Random(1),
        )
        self.version = 0
        self._task: asyncio.Task[None] | None = None
        self.reported: list[ResourceReport] = []

    async def start(self) -> None:
        """Run the agent."""
        put = self.agent.reports.put

        def record(report: ResourceReport) -> None:
            if self.agent.reports.get(report.resource_uid) != report:
                self.reported.append(report)
            put(report)

        async def no_session() -> None:
            await asyncio.Event().wait()

        self.agent.reports.put = record  # type: ignore[method-assign]
        self.agent.session.run = no_session  # type: ignore[method-assign]
        self._task = asyncio.create_task(self.agent.run())
        await self.agent._state.loaded.wait()
        await self.clock.advance(0)

    async def stop(self) -> None:
        """Kill the agent: machines stay."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def assign(self, *items: AssignmentItem, full: bool = True, removed: tuple[str, ...] = ()) -> None:
        """Apply a message as the session does."""
        self.version += 1
        message = Assignments(full=full, version=self.version, items=items, removed=removed)
        first = not self.agent.assignments.confirmed
        changed = await self.agent.assignments.apply(message)
        self.agent._requeue(changed)
        if first and full:
            self.agent._requeue_all()

    def report(self, uid: str = "u0") -> ResourceReport:
        """Return the newest report of a resource; an empty one before the first."""
        return self.agent.reports.get(uid) or ResourceReport()

    def states(self, uid: str = "u0") -> list[str]:
        """Return each different report of a resource: status, state and phase."""
        return [
            "/".join(filter(None, (one.status, one.state, one.state_reason, one.migration)))
            for one in self.reported
            if one.resource_uid == uid
        ]

    async def until(self, condition: Callable[[], bool], *, within: float = 120.0) -> None:
        """Advance the clock in small steps until the condition holds."""
        end = self.clock.monotonic() + within
        while not condition():
            assert self.clock.monotonic() < end, f"not within {within:g} s of virtual time; reported: {self.states()}"
            await self.clock.advance(0.1)
            # Files are written in threads, which the virtual clock does not wait for.
            await asyncio.sleep(0.0005)


class Benches(AsyncExitStack):
    """Starts benches and stops them at the end of the test."""

    async def start(self, driver: Driver, clock: VirtualClock, **options: Any) -> Bench:
        """A running agent on the driver."""
        bench = Bench(driver, clock, **options)
        await bench.start()
        self.push_async_callback(bench.stop)
        return bench
