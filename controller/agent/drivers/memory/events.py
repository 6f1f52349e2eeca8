"""Watches one in-memory host and notifies listeners of changed states, for the in-memory driver.

A world within the process calls the watcher after each edit. A world in a folder is polled, because
other processes edit it too.
"""

from __future__ import annotations

import asyncio
import contextlib

from controller.agent.drivers.base import Listeners
from controller.agent.drivers.memory.folder_world import FolderHypervisors
from controller.agent.drivers.memory.world import MemoryHypervisors, MemoryWorld
from controller.agent.drivers.types import Event, MachineEvent, MachineState
from controller.clock import Clock

FOLDER_POLL_SECONDS = 0.2

_EVENTS = {
    (MachineState.STOPPED, MachineState.RUNNING): Event.STARTED,
    (MachineState.PAUSED, MachineState.RUNNING): Event.RESUMED,
    (MachineState.RUNNING, MachineState.PAUSED): Event.SUSPENDED,
    (MachineState.STOPPED, MachineState.PAUSED): Event.SUSPENDED,
    (MachineState.RUNNING, MachineState.STOPPED): Event.STOPPED,
    (MachineState.PAUSED, MachineState.STOPPED): Event.STOPPED,
}


class HostWatcher:
    """The states of one host's machines, as they were last observed."""

    def __init__(self, world: MemoryWorld, address: str, listeners: Listeners, clock: Clock) -> None:
        self._world = world
        self._address = address
        self._listeners = listeners
        self._clock = clock
        self._states: dict[str, MachineState] = {}
        self._watching = contextlib.ExitStack()

    def start(self) -> None:
        """Begin to watch; needs a running event loop."""
        self._states = self._read()
        if isinstance(self._world, MemoryHypervisors):
            self._watching.callback(self._world.listen(self._address, self._notify))
        elif isinstance(self._world, FolderHypervisors):
            task = asyncio.create_task(self._poll(self._world))
            self._watching.callback(task.cancel)

    def stop(self) -> None:
        """End watching."""
        self._watching.close()

    def _read(self) -> dict[str, MachineState]:
        return {uid: machine.state for uid, machine in self._world.read(self._address).machines.items()}

    def _notify(self) -> None:
        """Notify the listeners of the states that changed."""
        now = self._read()
        before, self._states = self._states, now
        for uid in before.keys() | now.keys():
            old, new = before.get(uid, MachineState.STOPPED), now.get(uid, MachineState.STOPPED)
            if old is not new:
                self._listeners.notify(MachineEvent(_EVENTS[old, new], uid))

    async def _poll(self, world: FolderHypervisors) -> None:
        stamp = world.stamp(self._address)
        while True:
            await self._clock.sleep(FOLDER_POLL_SECONDS)
            if world.stamp(self._address) != stamp:
                stamp = world.stamp(self._address)
                self._notify()
