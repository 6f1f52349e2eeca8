"""Defines the values that drivers take and return: desired and observed machines, facts and events of a host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.model.compute import ComputeSpec
from controller.model.node import Capacity, NumaCell


class MachineState(StrEnum):
    """The state of a machine as the hypervisor reports it."""

    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPED = "Stopped"
    UNKNOWN = "Unknown"


class PauseReason(StrEnum):
    """Why a machine is paused; the recovery of a broken migration depends on it."""

    NONE = ""
    USER = "user"
    """Paused by the agent, or arrived completely and not yet resumed."""
    INCOMING = "incoming"
    """Being received: its memory is not complete."""
    MIGRATION = "migration"
    """Sent; the target has the newer state."""
    OTHER = "other"


@dataclass(frozen=True)
class Desired:
    """A machine as the agent asks for it."""

    uid: str
    name: str
    """Unique on the host and valid as a domain's name: ``default.kanto.web-0``."""
    revision: int
    spec: ComputeSpec
    cells: tuple[int, ...] = ()
    """NUMA cells that it is bound to; none: any."""
    cpus: tuple[int, ...] = ()
    """Hardware threads that it has alone (cpu_mode Pinned, or a share of the whole machine)."""


@dataclass(frozen=True)
class Machine:
    """A machine as observed on the host."""

    uid: str
    name: str
    revision: int
    state: MachineState
    pause_reason: PauseReason = PauseReason.NONE
    migrating: bool = False
    """A migration of it is in progress on this host, in or out."""
    persistent: bool = True
    reboots: int = 0
    """Reboots already carried out (``ComputeSpec.reboots``)."""
    taps: tuple[str, ...] = ()
    """Host interfaces of its NICs, in the order of ``spec.interfaces``."""
    cells: tuple[int, ...] = ()
    """NUMA cells that it was last bound to, as in ``Desired.cells``."""
    cpus: tuple[int, ...] = ()
    """Hardware threads that it last had alone, as in ``Desired.cpus``."""
    settled: bool = True
    """False: the host has offered other hardware threads since the machine was bound; ``ensure`` binds it again."""


@dataclass(frozen=True)
class Quarantined:
    """The disks of a machine that were kept aside instead of deleted."""

    key: str
    """Names it on its host; the same machine may be kept aside more than once."""
    uid: str
    name: str
    """Name of the machine; empty if only its disks were left."""
    at: datetime
    """When it was put there, UTC."""
    size_bytes: int = 0
    """What its files take of the host's disk."""
    place: str = ""
    """Where its files are on the host."""


@dataclass(frozen=True)
class HostFacts:
    """What the host offers, read from it."""

    capacity: Capacity
    numa: tuple[NumaCell, ...] = ()
    accelerator: str = ""
    """``kvm``, ``tcg`` or ``memory``."""


class Event(StrEnum):
    """What happened to a machine, or to the connection."""

    STARTED = "Started"
    RESUMED = "Resumed"
    SUSPENDED = "Suspended"
    STOPPED = "Stopped"
    LOST = "Lost"
    """The connection to the hypervisor was lost or is open again: any machine may have changed."""


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
