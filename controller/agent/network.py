"""Reconciles the host's service network with its machines, for the agent.

``NetworkPort`` is what the agent needs of the host's network: it takes the whole desired state of
the service taps at each call. A tap is announced only while its machine RUNS here: a paused copy
that arrives by migration gets no traffic, and a source that was paused gives up its own. Who may connect to a
machine comes with its assignment, in one message, so that a target has the rules before the machine runs there.

Design: B5
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from controller.agent import network_access
from controller.agent.assignments import Assignments
from controller.agent.drivers.types import MachineState
from controller.agent.observer import Observer
from controller.clock import Clock
from controller.errors import InvalidInput
from controller.hostnet.access import Access
from controller.loop import Backoff, Loop
from controller.wire.agent_pb2 import NetworkAccess

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
    service: str
    """Key path of the machine's RegionService."""
    running: bool
    """Whether the machine runs here: only then is the address announced."""


class NetworkPort(Protocol):
    """The host's service network."""

    async def sync(self, taps: Sequence[TapState], access: Access | None) -> None:
        """Make the network have these taps and no others, open to whom ``access`` says. Raises Unavailable.

        ``access`` None: not known yet; what the taps accept is not limited.
        """


class NetworkReconciler:
    """Calls ``sync`` after each trigger and at an interval; triggers that come together make one call."""

    def __init__(
        self, port: NetworkPort, observer: Observer, assignments: Assignments, *, clock: Clock, resync: float = 30.0
    ) -> None:
        self._port = port
        self._observer = observer
        self._assignments = assignments
        self._given: NetworkAccess | None = None
        self._read: Access | None = None
        self._loop = Loop(
            "agent-network", self._sync, clock=clock, keys=self._keys, resync=resync, backoff=Backoff(cap=5.0)
        )

    def trigger(self) -> None:
        """Reconcile soon."""
        self._loop.wake(_KEY)

    async def run(self) -> None:
        """Reconcile until cancelled. The network stays as it is."""
        await self._loop.run()

    async def _keys(self) -> list[str]:
        return [_KEY]

    async def _sync(self, key: str) -> None:
        if not self._assignments.known:
            return  # fail static: what an earlier agent announced stays
        taps: list[TapState] = []
        for machine in (await self._observer.observe()).values():
            assigned = self._assignments.get(machine.uid)
            if assigned is None:
                continue  # its addresses may belong to another machine by now
            try:
                interfaces, service = assigned.spec.interfaces, assigned.service
            except InvalidInput:
                continue
            running = machine.state is MachineState.RUNNING
            for tap, interface in zip(machine.taps, interfaces, strict=False):
                taps.append(TapState(tap, interface.mac, interface.address, interface.gateway, service, running))
        await self._port.sync(taps, self._access())

    def _access(self) -> Access | None:
        """Return the access as last sent; it is read again only when it changed."""
        given = self._assignments.access
        if given is not self._given:
            self._given, self._read = given, network_access.read(given) if given is not None else None
        return self._read
