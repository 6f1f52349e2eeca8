"""Defines the contract of drivers of virtual machines: what the agent asks of a driver.

A driver realises machines on one host and finds each of them again on the hypervisor by the
resource's uid. It keeps nothing that matters only in memory, so a restart of the agent and a
repeated call are harmless.

Ordering: the agent makes at most one call per machine at a time; calls for different machines run
concurrently. Every call has a deadline of the driver's own and raises TimedOut past it.

Who may run: ``ensure`` starts a machine only with ``run=True``. A machine that arrives by migration
arrives paused, and only ``resume`` runs it; the agent calls ``resume`` only for the owner.

What a machine may take of the host: ``ensure`` and ``resume`` apply the limits that
``limits.limits_of`` returns, before its vcpus run. Cells and cpus that were assigned differently
since (the machine came by migration) are applied to the running machine.

Not promised: that ``observe`` shows all machines at one instant; each entry is true of its machine
at some moment during the call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.agent.drivers.limits import Limits
from controller.agent.drivers.types import Desired, HostFacts, Machine, MachineEvent, MigrationTarget, Quarantined


class Console(ABC):
    """An open serial console; close it when done."""

    @abstractmethod
    async def read(self) -> bytes:
        """Return the next output; empty at the end."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Send ``data`` as input."""

    @abstractmethod
    async def close(self) -> None:
        """Close the console, so that another caller can open it."""


EventListener = Callable[[MachineEvent], None]


@dataclass
class Listeners:
    """Listeners for a driver's events; called on the event loop's thread."""

    listeners: list[EventListener] = field(default_factory=list)

    def notify(self, event: MachineEvent) -> None:
        """Call every listener with the event."""
        for listener in list(self.listeners):
            listener(event)


class Driver(ABC):
    """The virtual machines of one host."""

    name: str

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises Unavailable when the hypervisor is away."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect from the hypervisor; machines stay as they are."""

    @abstractmethod
    async def facts(self) -> HostFacts:
        """Return what the host offers, read from it."""

    @abstractmethod
    async def observe(self) -> list[Machine]:
        """Return all machines that have our metadata, in every state, and no others."""

    @abstractmethod
    async def ensure(self, desired: Desired, *, run: bool) -> None:
        """Create or change the machine to be as ``desired``, running or not.

        Fetches and checks images, creates disks, defines the machine, starts or stops it, carries
        out reboots still due, and redefines it when the revision differs (it is stopped first; the
        root disk is created again only when the image changed, and kept aside if the revision is
        lower than the machine's: the one who asks may be a restored database). A machine that is as desired is not
        changed. Existing disks are never overwritten while the image is the same. Raises
        ImageInvalid, PermanentError for what can never work; Unavailable, TimedOut.
        """

    @abstractmethod
    async def stop(self, uid: str, *, timeout: float) -> None:
        """Send an ACPI shutdown; cut the power after ``timeout`` seconds (0: at once)."""

    @abstractmethod
    async def remove(self, uid: str, *, timeout: float) -> None:
        """Stop as :meth:`stop`, undefine, delete disks. A machine that does not exist is no error."""

    @abstractmethod
    async def quarantine(self, uid: str) -> None:
        """Cut the machine's power, undefine it, and keep its disks aside. What does not exist is no error.

        Repeated after a crash it completes what was begun, and keeps one copy. A machine of which only
        disks are left is kept aside too; ``ensure`` and ``prepare_incoming`` do not find those disks again.
        """

    @abstractmethod
    async def quarantined(self) -> list[Quarantined]:
        """Return everything that is kept aside on this host, oldest first."""

    @abstractmethod
    async def purge(self, key: str) -> None:
        """Delete the files of one that is kept aside. One that does not exist is no error."""

    @abstractmethod
    async def prepare_incoming(self, desired: Desired) -> None:
        """Prepare the host for the machine to arrive: images, empty disks, ConfigDrive.

        Never defines or starts it. Disks that a failed attempt has left are created again.
        """

    @abstractmethod
    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        """Send the machine, memory and disks, to ``target``, where it arrives PAUSED.

        Returns when the target has it completely and it does not run on this host any more. After
        an error the caller observes both hosts and decides.
        """

    @abstractmethod
    async def repair_migration(self, uid: str) -> bool:
        """Repair what a migration from this host that broke off has left; return True when nothing is left to do.

        A migration that hangs is ended, and a machine that still runs gets its disks back. The agent
        calls it until it returns True, and takes the machine for complete only then. A migration in
        progress is not changed.
        """

    @abstractmethod
    async def resume(self, desired: Desired) -> None:
        """Resume a paused machine, bound to the cells and cpus of ``desired``. Only for the machine's owner."""

    @abstractmethod
    async def limits(self, uid: str) -> Limits:
        """Return the limits of a running machine, read from the hypervisor. Raises NotFound if it does not run."""

    @abstractmethod
    async def console(self, uid: str) -> Console:
        """Open the serial console. Raises NotFound, and Conflict when it is in use."""

    @abstractmethod
    def events(self) -> Listeners:
        """Return the listeners for changes of machines, asked for or not."""
