"""Keeps the host's service network in step with its machines (B5).

``NetworkPort`` is what the agent needs of the host's network: the whole wanted state of the
service taps, again and again. A tap is announced only while its machine RUNS here: so a paused
copy that arrives by migration draws no traffic, and a source that was paused lets go of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from controller.agent.assignments import Assignments
from controller.agent.drivers.types import MachineState
from controller.agent.observer import Observer
from controller.clock import Clock
from controller.errors import InvalidInput
from controller.loop import Backoff, Loop

_KEY = "network"


@dataclass(frozen=True)
class TapState:
    """One service NIC of a machine of this host."""

    tap: str
    """Name of the host's interface."""
    mac: str
    """MAC address of the guest."""
    address: IPv4Address
    """Service address of the guest."""
    gateway: IPv4Address
    """Gateway address, the same on every node."""
    running: bool
    """Whether the machine runs here: only then is the address announced."""


class NetworkPort(Protocol):
    """The host's service network."""

    async def sync(self, taps: Sequence[TapState]) -> None:
        """Make the network as said: what is not listed is not there. Raises Unavailable."""


class NetworkKeeper:
    """Calls ``sync`` after each wake and at an interval; wakes that come together are one call."""

    def __init__(
        self, port: NetworkPort, observer: Observer, assignments: Assignments, *, clock: Clock, resync: float = 30.0
    ) -> None:
        self._port = port
        self._observer = observer
        self._assignments = assignments
        self._loop = Loop(
            "agent-network", self._sync, clock=clock, keys=self._keys, resync=resync, backoff=Backoff(cap=5.0)
        )

    def wake(self) -> None:
        """Look again."""
        self._loop.wake(_KEY)

    async def run(self) -> None:
        """Work for ever; cancel to end. The network stays as it is."""
        await self._loop.run()

    async def _keys(self) -> list[str]:
        return [_KEY]

    async def _sync(self, key: str) -> None:
        if not self._assignments.known:
            return  # fail static: what an earlier agent announced stays
        taps: list[TapState] = []
        for machine in (await self._observer.look()).values():
            assigned = self._assignments.of(machine.uid)
            if assigned is None:
                continue  # nothing vouches for its addresses
            try:
                interfaces = assigned.spec.interfaces
            except InvalidInput:
                continue
            running = machine.state is MachineState.RUNNING
            for tap, interface in zip(machine.taps, interfaces, strict=False):
                taps.append(TapState(tap, interface.mac, interface.address, interface.gateway, running))
        await self._port.sync(taps)
