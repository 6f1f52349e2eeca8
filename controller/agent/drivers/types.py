"""The plain values that drivers take and return: a desired machine, a machine as found, facts and events of a host."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from controller.model.compute import ComputeSpec
from controller.model.node import Capacity, NumaCell


class MachineState(StrEnum):
    """What the hypervisor says of a machine."""

    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPED = "Stopped"
    UNKNOWN = "Unknown"


class PauseReason(StrEnum):
    """Why a machine is paused; decides the recovery of a broken migration."""

    NONE = ""
    USER = "user"
    """Paused by us, or arrived complete and not yet resumed."""
    INCOMING = "incoming"
    """Still being received: its memory is not complete."""
    MIGRATION = "migration"
    """Sent away; the target has the newer state."""
    OTHER = "other"


@dataclass(frozen=True)
class Desired:
    """A machine as the agent wants it."""

    uid: str
    name: str
    """Unique on the host, fit for a domain name: ``default.kanto.web-0``."""
    revision: int
    spec: ComputeSpec
    cells: tuple[int, ...] = ()
    """NUMA cells that it is kept to; none: any."""
    cpus: tuple[int, ...] = ()
    """Hardware threads that are its own (cpu_mode Pinned, or a share of the whole machine)."""


@dataclass(frozen=True)
class Machine:
    """A machine as found on the host."""

    uid: str
    name: str
    revision: int
    state: MachineState
    pause_reason: PauseReason = PauseReason.NONE
    migrating: bool = False
    """A migration job of it is under way on this host, in or out."""
    persistent: bool = True
    reboots: int = 0
    """Reboots already carried out (``ComputeSpec.reboots``)."""
    taps: tuple[str, ...] = ()
    """Host interfaces of its NICs, in the order of ``spec.interfaces``."""
    cells: tuple[int, ...] = ()
    """NUMA cells that it was last kept to, as ``Desired.cells``."""
    cpus: tuple[int, ...] = ()
    """Hardware threads of its own that it was last given, as ``Desired.cpus``."""
    settled: bool = True
    """False: the host offers other hardware threads than when the machine was bound; ``ensure`` then binds it again."""


@dataclass(frozen=True)
class HostFacts:
    """What the host has, read from it."""

    capacity: Capacity
    numa: tuple[NumaCell, ...] = ()
    accelerator: str = ""
    """``kvm``, ``tcg`` or ``memory``."""


class Event(StrEnum):
    """Why the agent should look again."""

    STARTED = "Started"
    RESUMED = "Resumed"
    SUSPENDED = "Suspended"
    STOPPED = "Stopped"
    LOST = "Lost"
    """The connection to the hypervisor was lost or came back: look at everything."""


@dataclass(frozen=True)
class MachineEvent:
    """An event; ``uid`` is empty for LOST."""

    event: Event
    uid: str = ""


@dataclass(frozen=True)
class MigrationTarget:
    """Where to send a machine: node name, and the address of its hypervisor."""

    node: str
    address: str
