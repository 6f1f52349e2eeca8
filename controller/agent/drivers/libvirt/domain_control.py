"""Changes one domain of a libvirtd at a time for the driver: stop, define, start, bind, mark.

Every change goes over a connection of its own, so that changes that take long do not delay
observations. A change of a domain that does not exist is no error, except where a docstring says so.

A machine's limits apply before its vcpus run: they are in the definition, or the machine starts
paused until they are applied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import libvirt

from controller.agent.drivers.libvirt import definition, observation, power, tuning
from controller.agent.drivers.libvirt.connection import Connection
from controller.agent.drivers.libvirt.domain_observer import DomainObserver
from controller.agent.drivers.libvirt.mark import Mark
from controller.agent.drivers.libvirt.names import tap_names
from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.agent.drivers.limits import Limits
from controller.agent.drivers.types import Desired, MachineState
from controller.clock import Clock
from controller.errors import NotFound, PermanentError

ACPI_REPEAT_SECONDS = 5.0
"""Between two ACPI requests: one that comes while the guest boots is lost."""
POLL_SECONDS = 0.3


class DomainControl:
    """Changes of domains."""

    def __init__(self, settings: LibvirtSettings, observer: DomainObserver, clock: Clock) -> None:
        self._settings = settings
        self._observer = observer
        self._clock = clock
        self.connection = Connection(settings)

    async def change(
        self, action: str, uid: str, work: Callable[[libvirt.virDomain], None], *, timeout: float | None = None
    ) -> None:
        """Run ``work`` on the machine's domain if it exists; ``action`` names it in errors."""

        def run(connect: libvirt.virConnect) -> None:
            domain = observation.lookup(connect, uid)
            if domain is not None:
                work(domain)

        try:
            await self.connection.call(f"{action} {uid}", run, timeout=timeout)
        except NotFound:
            return  # it disappeared after the lookup

    async def stop(self, uid: str, timeout: float) -> bool:
        """Stop the machine, by ACPI for up to ``timeout`` seconds; return False if it does not exist."""
        deadline = self._clock.monotonic() + timeout
        request_at = self._clock.monotonic()
        while True:
            machine, _ = await self._observer.observe(uid)
            if machine is None or machine.state is MachineState.STOPPED:
                return machine is not None
            now = self._clock.monotonic()
            if now >= deadline or machine.state is MachineState.PAUSED:
                # A paused machine does not receive ACPI requests.
                await self.change("cut the power of", uid, power.destroy, timeout=self._settings.start_timeout)
                continue
            if now >= request_at:
                await self.change("shut down", uid, power.request_shutdown)
                request_at = now + ACPI_REPEAT_SECONDS
            await self._clock.sleep(min(POLL_SECONDS, deadline - now))

    async def resume(self, uid: str) -> None:
        """Resume a paused machine."""
        await self.change("resume", uid, power.resume)

    async def undefine(self, uid: str) -> None:
        """Delete the machine's definition."""
        await self.change("undefine", uid, power.undefine)

    async def define(self, name: str, xml: str) -> None:
        """Write a machine's definition."""
        await self.connection.call(f"define {name}", lambda connect: connect.defineXML(xml))

    async def start(self, desired: Desired, limits: Limits) -> None:
        """Start a defined machine. Raises NotFound, and PermanentError when its cpu time cannot be limited."""

        def work(connect: libvirt.virConnect) -> None:
            domain = observation.lookup(connect, desired.uid)
            if domain is None:
                raise NotFound(f"machine {desired.uid} is not defined")
            # The start creates its taps, so they can be limited only after it.
            power.start(domain, paused=bool(limits.nic_bytes))
            tuning.limit_network(desired.uid, tap_names(desired.uid, desired.spec), limits)
            tuning.set_weight(domain, limits)
            power.resume(domain)

        try:
            await self.connection.call(f"start {desired.name}", work, timeout=self._settings.start_timeout)
        except PermanentError as error:
            if limits.capped and tuning.is_cpu_limit_refusal(error.message):
                raise tuning.no_cpu_limit_error(desired.name, limits) from error
            raise

    async def bind(self, limits: Limits, mark: Mark) -> None:
        """Bind the running or paused machine to its part of the host, and record that in its mark.

        Raises NotFound, PermanentError.
        """

        def work(connect: libvirt.virConnect) -> None:
            domain = observation.lookup(connect, mark.uid)
            found = None if domain is None else definition.parse(domain.XMLDesc())
            if domain is None or found is None:
                raise NotFound(f"machine {mark.uid} does not exist on this node")
            tuning.apply(connect, domain, limits)
            tuning.limit_network(mark.uid, found.taps, limits)
            bound = replace(found.mark, host_part=mark.host_part)
            power.write_mark(domain, bound, libvirt.VIR_DOMAIN_AFFECT_LIVE)

        await self.connection.call(f"bind {mark.name} to its part of the host", work)

    async def write_mark(self, mark: Mark, *, live: bool) -> None:
        """Write the mark; the stored definition keeps its own part of the host, whatever the domain is bound to."""

        def work(domain: libvirt.virDomain) -> None:
            if live:
                power.write_mark(domain, mark, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            stored = definition.parse(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
            if stored is not None:
                kept = replace(mark, host_part=stored.mark.host_part)
                power.write_mark(domain, kept, libvirt.VIR_DOMAIN_AFFECT_CONFIG)

        await self.change("mark", mark.uid, work)

    async def check_can_cap(self, uid: str, limits: Limits) -> None:
        """Raise PermanentError when the running machine's cpu time must be limited and cannot be."""
        await self.change("check the cpu limits of", uid, lambda domain: tuning.check_can_cap(domain, limits))

    async def check_can_bind(self, desired: Desired, limits: Limits, *, kvm: bool) -> None:
        """Raise PermanentError when a machine that arrives running could not be bound to its cells."""
        await self.connection.call(
            f"prepare for {desired.name}",
            lambda connect: tuning.check_can_bind(connect, desired.name, limits, kvm=kvm),
            timeout=self._settings.start_timeout,
        )
