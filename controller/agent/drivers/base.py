"""The contract that every driver of virtual machines follows.

A driver realises what the agent asks on one host and finds it again by the resource's uid on the
hypervisor: it remembers nothing that matters only in memory, so a restarted agent, or a second
call of anything, is harmless.

Ordering: the agent makes at most one call per machine at a time; calls for different machines run
side by side. Every call has a deadline of the driver's own and raises TimedOut past it.

Who may run: ``ensure`` starts a machine only when told ``run=True``. A machine that arrives by
migration arrives paused, and only ``resume`` sets it going; the agent calls it only for the owner.

What a machine may take of the host: ``ensure`` and ``resume`` keep it to what ``limits.limits_of``
says, before its vcpus run. Cells and cpus that were assigned differently since (the machine came by
migration) are applied to the running machine.

Not promised: that ``observe`` is an instant's picture of all machines; each entry is true of its
machine at some moment during the call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.agent.drivers.limits import Limits
from controller.agent.drivers.types import Desired, HostFacts, Machine, MachineEvent, MigrationTarget


class Console(ABC):
    """An open serial console; close it when done."""

    @abstractmethod
    async def read(self) -> bytes:
        """Return what came next; empty at the end."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Type ``data``."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the console."""


EventListener = Callable[[MachineEvent], None]


@dataclass
class Listeners:
    """Listeners of a driver's events; called on the event loop's thread."""

    listeners: list[EventListener] = field(default_factory=list)

    def tell(self, event: MachineEvent) -> None:
        for listener in list(self.listeners):
            listener(event)


class Driver(ABC):
    """Virtual machines of one host."""

    name: str

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises Unavailable when the hypervisor is away."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the hypervisor; machines stay as they are."""

    @abstractmethod
    async def facts(self) -> HostFacts:
        """Read what the host has."""

    @abstractmethod
    async def observe(self) -> list[Machine]:
        """All machines that carry our metadata, whatever their state, and no others."""

    @abstractmethod
    async def ensure(self, desired: Desired, *, run: bool) -> None:
        """Make the machine be there as ``desired``, running or not.

        Fetches and checks images, makes disks, defines the machine, starts or stops it, carries
        out reboots still due, redefines it when the revision differs (stopping it first; the root
        disk is made anew only where the image changed). A machine that is there as desired is left
        alone. Existing disks are never overwritten while the image is the same.
        Raises ImageInvalid, PermanentError for what cannot ever work; Unavailable, TimedOut.
        """

    @abstractmethod
    async def stop(self, uid: str, *, timeout: float) -> None:
        """Ask for an ACPI shutdown; cut the power after ``timeout`` seconds (0: at once)."""

    @abstractmethod
    async def remove(self, uid: str, *, timeout: float, delete_disks: bool = True) -> None:
        """Stop as :meth:`stop`, undefine, delete disks. What is not there is removed already."""

    @abstractmethod
    async def prepare_incoming(self, desired: Desired) -> None:
        """Make everything ready for the machine to arrive: images, empty disks, ConfigDrive.

        Never defines or starts it. Disks left over from a failed try are made anew.
        """

    @abstractmethod
    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        """Send the machine, memory and disks, to ``target``, where it arrives PAUSED.

        Returns when the target has it completely and this host has it no longer running. On an
        error the caller looks at both hosts (``observe``) and decides.
        """

    @abstractmethod
    async def mend(self, uid: str) -> bool:
        """Set right what a migration away from here that broke off has left; True when nothing is left to do.

        A machine that hangs half-way is freed, and one that runs on gets its disks back. Called again until it
        returns True, and only then is the machine taken for whole. A migration that is under way is not touched.
        """

    @abstractmethod
    async def resume(self, desired: Desired) -> None:
        """Set a paused machine going, kept to what ``desired`` has of this host. Only for the owner of the machine."""

    @abstractmethod
    async def limits(self, uid: str) -> Limits:
        """The limits that the hypervisor holds a machine to, read back from it. Raises NotFound when it has none."""

    @abstractmethod
    async def console(self, uid: str) -> Console:
        """Open the serial console; raises NotFound, Conflict when somebody else has it."""

    @abstractmethod
    def events(self) -> Listeners:
        """Where to listen for changes that nobody asked for."""
