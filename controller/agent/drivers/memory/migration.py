"""The steps of a migration between two in-memory hosts, for the in-memory driver.

Each step is a transaction over the hosts that it changes. Between two steps the hosts are in the
very states that libvirt shows, so a process that is killed there leaves what a kill leaves with
libvirt.

    begin      source RUNNING                 target PAUSED by incoming
    switch     source PAUSED by migration     target PAUSED by incoming
    complete   source PAUSED by migration     target PAUSED complete
    finish     source absent                  target PAUSED complete
"""

from __future__ import annotations

from dataclasses import replace

from controller.agent.drivers.memory.world import MemoryWorld
from controller.agent.drivers.types import MachineState, MigrationTarget, PauseReason
from controller.errors import Conflict, Unavailable


def begin(world: MemoryWorld, address: str, uid: str, target: MigrationTarget) -> None:
    """Put an incomplete copy on the target. Raises Unavailable, Conflict."""
    if target.address in world.unreachable or target.address not in world.hosts():
        raise Unavailable(f"{target.node} ({target.address}) cannot be reached")
    with world.edit(address, target.address) as (here, there):
        machine = here.machines.get(uid)
        if machine is None or machine.state is not MachineState.RUNNING or machine.migrating:
            raise Conflict(f"{uid} does not run on this host, or is being migrated")
        if uid not in there.disks or uid in there.machines:
            raise Conflict(f"{target.node} is not prepared for {uid}")
        machine.migrating, machine.peer = True, target.address
        there.machines[uid] = replace(
            machine, state=MachineState.PAUSED, pause_reason=PauseReason.INCOMING, peer=address
        )


def switch(world: MemoryWorld, address: str, uid: str, target: MigrationTarget) -> None:
    """Pause the source. Raises Unavailable when either copy has changed."""
    with world.edit(address, target.address) as (here, there):
        source, copy = here.machines.get(uid), there.machines.get(uid)
        if source is None or copy is None or source.state is not MachineState.RUNNING or not copy.incomplete:
            raise Unavailable(f"the migration of {uid} to {target.node} broke off")
        source.state, source.pause_reason = MachineState.PAUSED, PauseReason.MIGRATION


def complete(world: MemoryWorld, uid: str, target: MigrationTarget) -> None:
    """Complete the target's copy. Raises Unavailable when it cannot be reached."""
    with world.edit(target.address) as (there,):
        copy = there.machines.get(uid)
        if copy is None or target.address in world.unreachable:
            raise Unavailable(f"the migration of {uid} to {target.node} broke off")
        copy.pause_reason = PauseReason.USER


def finish(world: MemoryWorld, address: str, uid: str, target: MigrationTarget) -> None:
    """Remove the source's copy. Raises Unavailable when the target's copy does not exist any more."""
    with world.edit(address, target.address) as (here, there):
        copy = there.machines.get(uid)
        if copy is None:
            raise Unavailable(f"{uid} disappeared from {target.node} in the last step of its migration")
        here.machines.pop(uid, None)
        copy.migrating = False


def break_off(world: MemoryWorld, address: str, uid: str, peer: str) -> None:
    """Do what hypervisors do by themselves when a migration ends early."""
    with world.edit(address, peer) as (here, there):
        source, copy = here.machines.get(uid), there.machines.get(uid)
        if source is not None:
            source.migrating = False
        if copy is not None and copy.peer == address:
            copy.migrating = False
            if copy.incomplete and (source is None or source.state is not MachineState.PAUSED):
                del there.machines[uid]
