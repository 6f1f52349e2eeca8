"""Keeps machines with on_node_up None off after their node was restarted, for the machine reconciler.

A hold is on the node's disk. It ends when an operator changes what is asked of the machine's power
(revision, power or reboots), or when the machine runs.
"""

from __future__ import annotations

from contextlib import suppress

from controller.agent.assignments import Assigned, Assignments
from controller.agent.drivers.types import Machine, MachineState
from controller.agent.journal import Journal
from controller.agent.observer import Observer
from controller.errors import InvalidInput
from controller.model.compute import OnNodeUp


class BootHold:
    """The machines of one host that stay off since its last boot."""

    def __init__(self, journal: Journal, assignments: Assignments, observer: Observer) -> None:
        self._journal = journal
        self._assignments = assignments
        self._observer = observer

    async def register_boot(self, boot: str) -> None:
        """Hold the stopped machines with on_node_up None when ``boot`` is new. Call once, at the start."""
        if boot == self._journal.boot:
            return
        held: dict[str, str] = {}
        if self._journal.boot:
            machines = await self._observer.observe()
            for uid in self._assignments.uids():
                assigned, machine = self._assignments.get(uid), machines.get(uid)
                if assigned is None or assigned.kind != "Compute" or machine is None:
                    continue
                with suppress(InvalidInput):  # reported when the machine is reconciled
                    if machine.state is MachineState.STOPPED and assigned.spec.on_node_up is OnNodeUp.NONE:
                        held[uid] = _power_request(assigned)
        await self._journal.record_boot(boot, held)

    def holds(self, assigned: Assigned) -> bool:
        """Return whether the machine stays off. Raises InvalidInput for a spec that this agent does not understand."""
        held = self._journal.held(assigned.uid)
        return bool(held) and held == _power_request(assigned)

    async def release(self, assigned: Assigned, machine: Machine | None) -> None:
        """End the hold if the machine runs or something else is asked of its power."""
        held = self._journal.held(assigned.uid)
        if held and (held != _power_request(assigned) or (machine and machine.state is MachineState.RUNNING)):
            await self._journal.release(assigned.uid)


def _power_request(assigned: Assigned) -> str:
    return f"{assigned.item.revision} {assigned.spec.power} {assigned.spec.reboots}"
