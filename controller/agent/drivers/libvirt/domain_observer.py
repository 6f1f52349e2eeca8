"""Observes the domains of one libvirtd for the driver, and turns libvirt's events into the agent's.

Reading a domain's state never blocks for long; reading its job may, while its QEMU hangs. So jobs
are read over a connection of their own, each with a short deadline. A machine whose job cannot be
read is UNKNOWN and delays no other machine.

Not promised: events of domains that were never observed; they are reported as ``LOST``, after which
the agent observes all machines.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import libvirt

from controller.agent.drivers.base import Listeners
from controller.agent.drivers.libvirt import observation
from controller.agent.drivers.libvirt.connection import Connection
from controller.agent.drivers.libvirt.mark import Mark
from controller.agent.drivers.libvirt.names import domain_uuid
from controller.agent.drivers.libvirt.observation import ObservedDomain
from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.agent.drivers.types import Event, Machine, MachineEvent
from controller.errors import TimedOut

JOB_SECONDS = 5.0
"""Deadline for reading a machine's job."""
JOB_THREADS = 2
"""Worker threads that one machine whose QEMU hangs may block."""

_EVENTS = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: Event.STARTED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: Event.RESUMED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: Event.SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: Event.SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: Event.STOPPED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: Event.STOPPED,
}


class DomainObserver:
    """The domains of one libvirtd that have our mark."""

    def __init__(self, settings: LibvirtSettings, listeners: Listeners) -> None:
        self._uids: dict[str, str] = {}
        """uid of the resource by UUID of the domain, for events of domains that do not exist any more."""
        self._reading_jobs: list[str] = []
        """Machines whose jobs worker threads read now: one that hangs must not take all threads."""
        self.connection = Connection(settings, listeners, self._describe)
        self.jobs = Connection(settings)
        self.layout_digest = ""
        """Of the hardware threads that the host offers; the driver sets it when it opens."""

    async def observe_all(self) -> list[Machine]:
        """Return all machines."""
        domains = await self.connection.call("list machines", observation.observe_all)
        for domain in domains:
            self.remember(domain.mark.uid)
        return list(await asyncio.gather(*(self._with_job(domain) for domain in domains)))

    async def observe(self, uid: str) -> tuple[Machine, Mark] | tuple[None, None]:
        """Return the machine and its mark; None twice if it does not exist."""

        def read(connect: libvirt.virConnect) -> ObservedDomain | None:
            domain = observation.lookup(connect, uid)
            return None if domain is None else observation.observe(domain)

        domain = await self.connection.call(f"observe {uid}", read)
        return (None, None) if domain is None else (await self._with_job(domain), domain.mark)

    def remember(self, uid: str) -> None:
        """Remember the machine, so that its events are reported as its own."""
        self._uids[domain_uuid(uid)] = uid

    async def _with_job(self, domain: ObservedDomain) -> Machine:
        uid = domain.mark.uid
        if not domain.active:
            return self._settled(domain, domain.with_job(None))
        if self._reading_jobs.count(uid) >= JOB_THREADS:
            return domain.unknown()

        def read(connect: libvirt.virConnect) -> int | None:
            self._reading_jobs.append(uid)
            try:
                found = observation.lookup(connect, uid)
                return None if found is None else observation.job_operation(found)
            finally:
                self._reading_jobs.remove(uid)

        try:
            operation = await self.jobs.call(f"read the job of {uid}", read, timeout=JOB_SECONDS)
            return self._settled(domain, domain.with_job(operation))
        except TimedOut:
            return domain.unknown()

    def _settled(self, domain: ObservedDomain, machine: Machine) -> Machine:
        return replace(machine, settled=domain.mark.host_part.layout == self.layout_digest)

    def _describe(self, domain: libvirt.virDomain, event: int) -> MachineEvent | None:
        """Return the agent's event for libvirt's. Runs on libvirt's event thread, so it must not call libvirt."""
        kind = _EVENTS.get(event)
        if kind is None:
            return None
        uid = self._uids.get(domain.UUIDString())
        # A domain that was never observed may have come by migration: all machines must be observed.
        return MachineEvent(Event.LOST) if uid is None else MachineEvent(kind, uid)
