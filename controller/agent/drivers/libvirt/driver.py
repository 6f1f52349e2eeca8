"""The libvirt driver: machines as domains of the host's libvirtd (design E1).

The domain's metadata and the machine's folder are all the state there is: each step looks at what
is there and does what is missing, so a call after a crash completes what the one before began.
Order in ``ensure``: image first (a bad one must not cost a running machine its life), then stop,
disks, definition, start. A definition carries the count of reboots carried out, and is written
while the machine is stopped: a crash in between repeats no reboot.

A machine's limits hold before its vcpus run: they are in the definition, or the machine starts
paused until they are applied, as it arrives by migration. A crash in between leaves it paused, and
``resume`` applies them again.

At most one call per machine at a time is the agent's promise; the driver keeps no locks of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import libvirt

from controller.agent.drivers.base import Console, Driver, Listeners
from controller.agent.drivers.libvirt import console, definition, migration, observation, power, tuning
from controller.agent.drivers.libvirt.connection import Connection
from controller.agent.drivers.libvirt.definition import Mark
from controller.agent.drivers.libvirt.files import MachineFiles
from controller.agent.drivers.libvirt.settings import Accelerator, LibvirtSettings
from controller.agent.drivers.limits import Limits, limits_of
from controller.agent.drivers.types import (
    Desired,
    Event,
    HostFacts,
    Machine,
    MachineEvent,
    MachineState,
    MigrationTarget,
    PauseReason,
)
from controller.agent.host import facts, kvm
from controller.agent.images import CachedImage, ImageCache
from controller.agent.qemu_img import GIB
from controller.clock import Clock
from controller.errors import Conflict, NotFound, PermanentError, ResourceError, TimedOut
from controller.model.node import NumaCell

ASK_AGAIN = 5.0
"""Seconds between two ACPI requests: one that comes while the guest boots is lost."""
POLL = 0.3
HANG_LOOK = 1.0
"""Seconds between two looks whether a migration hangs."""
JOB_PATIENCE = 5.0
"""Seconds that a machine may take to say what job it has."""
JOB_THREADS = 2
"""Threads that one machine's silence may hold."""

_EVENTS = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: Event.STARTED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: Event.RESUMED,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: Event.SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: Event.SUSPENDED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: Event.STOPPED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: Event.STOPPED,
}


class LibvirtDriver(Driver):
    """Machines of one libvirtd."""

    name = "libvirt"

    def __init__(self, settings: LibvirtSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._listeners = Listeners()
        self._uids: dict[str, str] = {}
        """uid of the resource by UUID of the domain, for events of domains that are gone."""
        self._asking: list[str] = []
        """Machines whose jobs worker threads ask for right now: a stuck one must not take them all."""
        # libvirtd works on five calls of a connection at a time: a few that take long (a migration, a stuck
        # machine) must not keep the driver from seeing the others.
        self._looking = Connection(settings, self._listeners, self._describe)
        self._jobs = Connection(settings)
        self._working = Connection(settings)
        self._images = ImageCache(
            settings.state_folder / "images",
            max_bytes=settings.image_max_gib * GIB,
            timeout=settings.image_timeout,
        )
        self._kvm = settings.accelerator is Accelerator.KVM
        self._layout: tuple[NumaCell, ...] = ()
        self._layout_digest = ""

    async def open(self) -> None:
        if self._settings.accelerator is Accelerator.AUTO:
            found = await asyncio.to_thread(
                kvm.accelerator, self._settings.state_folder, self._settings.kvm_probe_kernel
            )
            self._kvm = found == "kvm"
        self._layout = await asyncio.to_thread(facts.read_cells, self._settings.capacity)
        self._layout_digest = definition.layout_digest(self._layout)
        for connection in self._connections():
            await connection.open()

    async def close(self) -> None:
        for connection in self._connections():
            await connection.close()

    def _connections(self) -> tuple[Connection, ...]:
        return (self._looking, self._jobs, self._working)

    async def facts(self) -> HostFacts:
        offer = await asyncio.to_thread(facts.read_offer, self._settings.capacity, self._settings.state_folder)
        return HostFacts(
            capacity=offer.capacity,
            numa=offer.cells,
            accelerator="kvm" if self._kvm else "tcg",
        )

    async def observe(self) -> list[Machine]:
        seen = await self._looking.call("list machines", observation.look_at_all)
        for each in seen:
            self._remember(each.mark.uid)
        return list(await asyncio.gather(*(self._with_job(each) for each in seen)))

    async def ensure(self, desired: Desired, *, run: bool) -> None:
        self._remember(desired.uid)
        # What cannot be kept on this host is refused before anything is stopped; stopping itself needs no place.
        limits = limits_of(desired, self._layout) if run else None
        wanted = Mark.of(desired, self._layout_digest)
        machine, mark = await self._find(desired.uid)
        if machine is not None and (machine.migrating or machine.pause_reason is PauseReason.INCOMING):
            raise Conflict(f"{desired.name} is being migrated ({machine.state}, {machine.pause_reason})")
        same = mark is not None and mark.digest == wanted.digest and mark.reboots >= wanted.reboots
        if machine is not None and machine.state is not MachineState.STOPPED:
            # A revision says all that is asked: what it is made of differs only where an earlier version made it.
            asked = mark is not None and mark.revision == wanted.revision and mark.reboots >= wanted.reboots
            if (same or asked) and limits is not None and machine.persistent:
                await self._follow(machine, mark, wanted, limits)
                return
            image = await self._image(desired)
            if same and run:
                # Its libvirtd died in the last step of its arrival: the machine is whole, its definition is not.
                await self._define(desired, image, self._files(desired.uid))
                return
            if limits is not None:
                await self._check_can_cap(desired.uid, limits)
            await self._stop(desired.uid, desired.spec.shutdown_timeout)
        if same and not run:
            if mark != wanted:
                await self._mark(wanted, live=False)
            return
        image = await self._image(desired)
        files = self._files(desired.uid)
        await asyncio.to_thread(files.make, desired, image)
        if mark != wanted:
            await self._define(desired, image, files)
        if limits is not None:
            await self._start(desired, limits)

    async def stop(self, uid: str, *, timeout: float) -> None:
        if not await self._stop(uid, timeout):
            raise NotFound(f"no machine {uid} on this node")

    async def _stop(self, uid: str, timeout: float) -> bool:
        """Stop the machine; False when there is none."""
        deadline = self._clock.monotonic() + timeout
        ask_at = self._clock.monotonic()
        while True:
            machine, _ = await self._find(uid)
            if machine is None or machine.state is MachineState.STOPPED:
                return machine is not None
            now = self._clock.monotonic()
            if now >= deadline or machine.state is MachineState.PAUSED:
                # A paused machine hears no ACPI.
                await self._domain_call("cut the power", uid, power.destroy, timeout=self._settings.start_timeout)
                continue
            if now >= ask_at:
                await self._domain_call("ask for shutdown", uid, power.ask_for_shutdown)
                ask_at = now + ASK_AGAIN
            await self._clock.sleep(min(POLL, deadline - now))

    async def remove(self, uid: str, *, timeout: float, delete_disks: bool = True) -> None:
        await self._stop(uid, timeout)
        await self._domain_call("undefine", uid, power.undefine)
        await asyncio.to_thread(tuning.release_network, uid)
        if delete_disks:
            await asyncio.to_thread(self._files(uid).delete)

    async def prepare_incoming(self, desired: Desired) -> None:
        self._remember(desired.uid)
        limits = limits_of(desired, self._layout)
        machine, _ = await self._find(desired.uid)
        if machine is not None and machine.state is not MachineState.STOPPED:
            raise Conflict(f"{desired.name} is on this node already ({machine.state}, {machine.pause_reason})")
        await self._check_can_bind(desired, limits)
        image = await self._image(desired)
        # A broken try leaves a definition behind, with which the next one would be taken for complete.
        await self._domain_call("undefine", desired.uid, power.undefine)
        await asyncio.to_thread(self._files(desired.uid).make_empty, desired, image)

    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        watch = asyncio.create_task(self._end_hangs(uid))
        try:
            await self._working.call(
                f"migrate {uid} to {target.node}",
                lambda connect: migration.send(connect, uid, target, self._settings),
                timeout=self._settings.migration_timeout,
            )
        except TimedOut:
            await self._jobs.call(f"break off the migration of {uid}", lambda c: migration.abort(c, uid))
            raise
        finally:
            watch.cancel()
        machine, _ = await self._find(uid)
        if machine is not None and machine.state is not MachineState.STOPPED:
            raise Conflict(f"{uid} is still on this node after its migration ({machine.state})")

    async def mend(self, uid: str) -> bool:
        machine = await self._end_hang(uid)
        if machine is None:
            return True
        if machine.state is MachineState.RUNNING and not machine.migrating:
            await self._domain_call("give back the disks of", uid, migration.take_disks)
        return not machine.migrating

    async def _end_hangs(self, uid: str) -> None:
        """Look at a machine that is being sent, now and then: libvirt's call does not return while QEMU hangs."""
        while True:
            await self._clock.sleep(HANG_LOOK)
            with suppress(ResourceError):  # it is looked at again
                await self._end_hang(uid)

    async def _end_hang(self, uid: str) -> Machine | None:
        """End the machine's migration if QEMU hangs in it; the machine as it was found."""
        machine, _ = await self._find(uid)
        if machine is not None and machine.migrating and machine.state is MachineState.PAUSED:
            await self._domain_call("end the migration of", uid, migration.end_cancelled)
        return machine

    async def resume(self, desired: Desired) -> None:
        machine, _ = await self._find(desired.uid)
        if machine is None:
            raise NotFound(f"no machine {desired.uid} on this node")
        if machine.pause_reason is PauseReason.INCOMING:
            raise Conflict(f"{machine.name} has not arrived completely")
        if machine.state is MachineState.PAUSED:
            await self._keep_to(limits_of(desired, self._layout), Mark.of(desired, self._layout_digest))
        await self._domain_call("resume", desired.uid, power.resume)

    async def limits(self, uid: str) -> Limits:
        def work(connect: libvirt.virConnect) -> Limits | None:
            domain = observation.lookup(connect, uid)
            if domain is None or not domain.isActive():
                return None
            found = definition.read(domain.XMLDesc())
            return None if found is None else tuning.read(domain, uid, found.taps)

        limits = await self._looking.call(f"read the limits of {uid}", work)
        if limits is None:
            raise NotFound(f"machine {uid} does not run on this node")
        return limits

    async def console(self, uid: str) -> Console:
        loop = asyncio.get_running_loop()

        def work(connect: libvirt.virConnect) -> Console:
            domain = observation.lookup(connect, uid)
            if domain is None or not domain.isActive():
                raise NotFound(f"machine {uid} does not run on this node")
            try:
                return console.open_stream(connect, domain, loop)
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED:
                    raise Conflict(f"the console is in use: {error.get_error_message()}") from error
                raise

        return await self._working.call(f"open the console of {uid}", work)

    def events(self) -> Listeners:
        return self._listeners

    async def _find(self, uid: str) -> tuple[Machine, Mark] | tuple[None, None]:
        def work(connect: libvirt.virConnect) -> observation.Seen | None:
            domain = observation.lookup(connect, uid)
            return None if domain is None else observation.look(domain)

        seen = await self._looking.call(f"look at {uid}", work)
        return (None, None) if seen is None else (await self._with_job(seen), seen.mark)

    async def _follow(self, machine: Machine, mark: Mark | None, wanted: Mark, limits: Limits) -> None:
        """Bring what needs no new domain in line: the marks, and the running machine's place on the host."""
        assert mark is not None
        place = mark.place
        if machine.state is MachineState.RUNNING and place != wanted.place:
            await self._keep_to(limits, wanted)
            place = wanted.place
        if (mark.revision, mark.reboots) != (wanted.revision, wanted.reboots):
            await self._mark(replace(wanted, place=place), live=True)

    async def _keep_to(self, limits: Limits, mark: Mark) -> None:
        """Apply to the running or paused machine what is this host's own, and write down that it was."""

        def work(connect: libvirt.virConnect) -> None:
            domain = observation.lookup(connect, mark.uid)
            found = None if domain is None else definition.read(domain.XMLDesc())
            if domain is None or found is None:
                raise NotFound(f"no machine {mark.uid} on this node")
            tuning.apply(connect, domain, limits)
            tuning.limit_network(mark.uid, found.taps, limits)
            power.mark(domain, replace(found.mark, place=mark.place), libvirt.VIR_DOMAIN_AFFECT_LIVE)

        await self._working.call(f"keep {mark.name} to its part of the host", work)

    async def _with_job(self, seen: observation.Seen) -> Machine:
        """Add what job the machine has; one that gives no answer is UNKNOWN and holds up no other."""
        uid = seen.mark.uid
        if not seen.active:
            return self._settled(seen, seen.with_job(None))
        if self._asking.count(uid) >= JOB_THREADS:
            return seen.stuck()

        def work(connect: libvirt.virConnect) -> int | None:
            self._asking.append(uid)
            try:
                domain = observation.lookup(connect, uid)
                return None if domain is None else observation.job(domain)
            finally:
                self._asking.remove(uid)

        try:
            job = await self._jobs.call(f"ask for the job of {uid}", work, timeout=JOB_PATIENCE)
            return self._settled(seen, seen.with_job(job))
        except TimedOut:
            return seen.stuck()

    def _settled(self, seen: observation.Seen, machine: Machine) -> Machine:
        return replace(machine, settled=seen.mark.place.layout == self._layout_digest)

    async def _image(self, desired: Desired) -> CachedImage:
        """The image, checked to fit the machine's disks as far as that is known without stopping it."""
        image = await self._images.image(desired.spec.image)
        await asyncio.to_thread(self._files(desired.uid).check, desired.spec, image)
        return image

    async def _check_can_cap(self, uid: str, limits: Limits) -> None:
        await self._domain_call("look at", uid, lambda domain: tuning.check_can_cap(domain, limits))

    async def _check_can_bind(self, desired: Desired, limits: Limits) -> None:
        await self._working.call(
            f"make ready for {desired.name}",
            lambda connect: tuning.check_can_bind(connect, desired.name, limits, kvm=self._kvm),
            timeout=self._settings.start_timeout,
        )

    async def _define(self, desired: Desired, image: CachedImage, files: MachineFiles) -> None:
        xml = definition.domain_xml(
            desired,
            limits=limits_of(desired, self._layout),
            mark=Mark.of(desired, self._layout_digest),
            kvm=self._kvm,
            image=image,
            disks=files.disks(desired.spec),
            config_drive=files.config_drive,
            console_log=files.console_log,
        )
        await self._working.call(f"define {desired.name}", lambda connect: connect.defineXML(xml))

    async def _start(self, desired: Desired, limits: Limits) -> None:
        def work(connect: libvirt.virConnect) -> None:
            domain = observation.lookup(connect, desired.uid)
            if domain is None:
                raise NotFound(f"machine {desired.uid} is not defined")
            # Its taps are made with it: what limits them can only come after.
            power.start(domain, paused=bool(limits.nic_bytes))
            tuning.limit_network(desired.uid, definition.tap_names(desired.uid, desired.spec), limits)
            tuning.weigh(domain, limits)
            power.resume(domain)

        try:
            await self._working.call(f"start {desired.name}", work, timeout=self._settings.start_timeout)
        except PermanentError as error:
            if limits.capped and tuning.speaks_of_cpu_time(error.message):
                raise tuning.cannot_cap(desired.name, limits) from error
            raise

    async def _mark(self, mark: Mark, *, live: bool) -> None:
        """Write the mark; the stored definition's says what that one keeps the machine to, whatever holds now."""

        def work(domain: libvirt.virDomain) -> None:
            if live:
                power.mark(domain, mark, libvirt.VIR_DOMAIN_AFFECT_LIVE)
            stored = definition.read(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
            if stored is not None:
                power.mark(domain, replace(mark, place=stored.mark.place), libvirt.VIR_DOMAIN_AFFECT_CONFIG)

        await self._domain_call("mark", mark.uid, work)

    async def _domain_call(
        self, doing: str, uid: str, work: Callable[[libvirt.virDomain], None], *, timeout: float | None = None
    ) -> None:
        """Run ``work`` on the machine's domain; nothing when there is none."""

        def found(connect: libvirt.virConnect) -> None:
            domain = observation.lookup(connect, uid)
            if domain is not None:
                work(domain)

        try:
            await self._working.call(f"{doing} {uid}", found, timeout=timeout)
        except NotFound:
            return  # it went while we looked

    def _files(self, uid: str) -> MachineFiles:
        return MachineFiles(self._settings.state_folder, uid)

    def _remember(self, uid: str) -> None:
        self._uids[definition.domain_uuid(uid)] = uid

    def _describe(self, domain: libvirt.virDomain, event: int) -> MachineEvent | None:
        """An event as ours. Runs on libvirt's event thread: asks libvirt nothing."""
        ours = _EVENTS.get(event)
        if ours is None:
            return None
        uid = self._uids.get(domain.UUIDString())
        # A domain that we have not seen yet may have come by migration: look at everything.
        return MachineEvent(Event.LOST) if uid is None else MachineEvent(ours, uid)
