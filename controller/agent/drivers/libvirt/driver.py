"""Implements the driver on libvirt: machines are domains of the host's libvirtd.

The domain's metadata and the machine's folder are the whole state: each step observes what exists
and does what is missing, so a call after a crash completes what the one before began. Order in
``ensure``: the image first (a bad one must not stop a running machine), then stop, disks, definition,
start. A definition has the count of reboots that were carried out, and is written while the machine
is stopped: a crash in between repeats no reboot.

A machine's limits apply before its vcpus run: they are in the definition, or the machine starts
paused until they are applied, as it arrives by migration. A crash in between leaves it paused, and
``resume`` applies them again.

The agent makes at most one call per machine at a time; the driver has no locks of its own.

Design: E1
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import libvirt

from controller.agent.drivers.base import Console, Driver, Listeners
from controller.agent.drivers.libvirt import console, definition, observation, tuning
from controller.agent.drivers.libvirt.connection import Connection
from controller.agent.drivers.libvirt.domain_control import DomainControl
from controller.agent.drivers.libvirt.domain_observer import DomainObserver
from controller.agent.drivers.libvirt.files import MachineFiles
from controller.agent.drivers.libvirt.mark import Mark, layout_digest
from controller.agent.drivers.libvirt.migration_control import MigrationControl
from controller.agent.drivers.libvirt.quarantine import QuarantineFolder
from controller.agent.drivers.libvirt.settings import Accelerator, LibvirtSettings
from controller.agent.drivers.limits import Limits, limits_of
from controller.agent.drivers.types import (
    Desired,
    HostFacts,
    Machine,
    MachineState,
    MigrationTarget,
    PauseReason,
    Quarantined,
)
from controller.agent.host import facts, kvm
from controller.agent.image_source.source import ImageSource
from controller.agent.images import CachedImage, ImageCache
from controller.agent.qemu_img import GIB
from controller.clock import Clock
from controller.errors import Conflict, NotFound, Unavailable
from controller.model.node import NumaCell


class LibvirtDriver(Driver):
    """The machines of one libvirtd."""

    name = "libvirt"

    def __init__(
        self,
        settings: LibvirtSettings,
        source: ImageSource,
        clock: Clock,
        check_state: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``source``: where images come from.

        ``check_state`` raises Unavailable while the state folder is not the node's own: nothing is changed then.
        """
        self._settings = settings
        self._clock = clock
        self._quarantine = QuarantineFolder(settings.state_folder)
        self._check_state = check_state or _nothing
        self._listeners = Listeners()
        # libvirtd handles five calls of a connection at a time. Observations, jobs and changes have a connection
        # each, so that a few long calls (a migration, a machine that hangs) do not hide the other machines.
        self._observer = DomainObserver(settings, self._listeners)
        self._control = DomainControl(settings, self._observer, clock)
        self._migrations = MigrationControl(settings, self._observer, self._control, clock)
        self._images = ImageCache(
            settings.state_folder / "images",
            source,
            max_bytes=settings.image_max_gib * GIB,
            timeout=settings.image_timeout,
        )
        self._kvm = settings.accelerator is Accelerator.KVM
        self._layout: tuple[NumaCell, ...] = ()

    async def open(self) -> None:
        if self._settings.accelerator is Accelerator.AUTO:
            folder: Path | None = self._settings.state_folder
            try:
                await self._check_state()
            except Unavailable:
                folder = None
            found = await asyncio.to_thread(kvm.accelerator, folder, self._settings.kvm_probe_kernel)
            self._kvm = found == "kvm"
        self._layout = await asyncio.to_thread(facts.read_cells, self._settings.capacity)
        self._observer.layout_digest = layout_digest(self._layout)
        for connection in self._connections():
            await connection.open()

    async def close(self) -> None:
        for connection in self._connections():
            await connection.close()

    def _connections(self) -> tuple[Connection, ...]:
        return (self._observer.connection, self._observer.jobs, self._control.connection)

    async def facts(self) -> HostFacts:
        offer = await asyncio.to_thread(facts.read_offer, self._settings.capacity, self._settings.state_folder)
        return HostFacts(
            capacity=offer.capacity,
            numa=offer.cells,
            accelerator="kvm" if self._kvm else "tcg",
        )

    async def observe(self) -> list[Machine]:
        return await self._observer.observe_all()

    async def ensure(self, desired: Desired, *, run: bool) -> None:
        await self._check_state()
        self._observer.remember(desired.uid)
        # What this host cannot limit is refused before anything is stopped; a machine that is only stopped needs none.
        limits = limits_of(desired, self._layout) if run else None
        wanted = self._mark_of(desired)
        machine, mark = await self._observer.observe(desired.uid)
        if machine is not None and (machine.migrating or machine.pause_reason is PauseReason.INCOMING):
            raise Conflict(f"{desired.name} is being migrated ({machine.state}, {machine.pause_reason})")
        if machine is not None:
            await asyncio.to_thread(self._quarantine.take_back, self._files(desired.uid).folder, desired.uid)
        same = mark is not None and mark.digest == wanted.digest and mark.reboots >= wanted.reboots
        if machine is not None and machine.state is not MachineState.STOPPED:
            # A revision determines the whole spec: its digest differs only where an earlier version of us computed it.
            current = mark is not None and mark.revision == wanted.revision and mark.reboots >= wanted.reboots
            if (same or current) and limits is not None and machine.persistent:
                await self._update_in_place(machine, mark, wanted, limits)
                return
            image = await self._image(desired)
            if same and run:
                # Its libvirtd died in the last step of its arrival: the machine is complete, its definition is not.
                await self._define(desired, image, self._files(desired.uid))
                return
            if limits is not None:
                await self._control.check_can_cap(desired.uid, limits)
            await self._control.stop(desired.uid, desired.spec.shutdown_timeout)
        if same and not run:
            if mark != wanted:
                await self._control.write_mark(wanted, live=False)
            return
        image = await self._image(desired)
        files = self._files(desired.uid)
        if mark is not None and mark.revision > wanted.revision:
            await asyncio.to_thread(self._keep_newer_disk, files, desired, image)
        await asyncio.to_thread(files.make, desired, image)
        if mark != wanted:
            await self._define(desired, image, files)
        if limits is not None:
            await self._control.start(desired, limits)

    async def stop(self, uid: str, *, timeout: float) -> None:
        await self._check_state()
        if not await self._control.stop(uid, timeout):
            raise NotFound(f"machine {uid} does not exist on this node")

    async def remove(self, uid: str, *, timeout: float) -> None:
        await self._check_state()
        await self._control.stop(uid, timeout)
        await self._control.undefine(uid)
        await asyncio.to_thread(tuning.release_network, uid)
        await asyncio.to_thread(self._files(uid).delete)

    async def quarantine(self, uid: str) -> None:
        await self._check_state()
        await self._control.stop(uid, 0)
        machine, _ = await self._observer.observe(uid)
        name = machine.name if machine is not None else ""
        # The definition goes last: while it exists, this call is repeated after a crash.
        await asyncio.to_thread(self._quarantine.keep, self._files(uid).folder, uid, name, self._clock.now())
        await self._control.undefine(uid)
        await asyncio.to_thread(tuning.release_network, uid)

    async def quarantined(self) -> list[Quarantined]:
        return await asyncio.to_thread(self._quarantine.kept)

    async def purge(self, key: str) -> None:
        await self._check_state()
        await asyncio.to_thread(self._quarantine.purge, key)

    async def prepare_incoming(self, desired: Desired) -> None:
        self._observer.remember(desired.uid)
        limits = limits_of(desired, self._layout)
        machine, _ = await self._observer.observe(desired.uid)
        if machine is not None and machine.state is not MachineState.STOPPED:
            raise Conflict(f"{desired.name} is on this node already ({machine.state}, {machine.pause_reason})")
        await self._control.check_can_bind(desired, limits, kvm=self._kvm)
        image = await self._image(desired)
        # A failed attempt leaves a definition, with which the next attempt would be taken for complete.
        await self._control.undefine(desired.uid)
        await asyncio.to_thread(self._files(desired.uid).make_empty, desired, image)

    async def migrate(self, uid: str, target: MigrationTarget) -> None:
        await self._check_state()
        await self._migrations.send(uid, target)

    async def repair_migration(self, uid: str) -> bool:
        await self._check_state()
        return await self._migrations.repair(uid)

    async def resume(self, desired: Desired) -> None:
        await self._check_state()
        machine, _ = await self._observer.observe(desired.uid)
        if machine is None:
            raise NotFound(f"machine {desired.uid} does not exist on this node")
        if machine.pause_reason is PauseReason.INCOMING:
            raise Conflict(f"{machine.name} has not arrived completely")
        if machine.state is MachineState.PAUSED:
            await self._control.bind(limits_of(desired, self._layout), self._mark_of(desired))
        await self._control.resume(desired.uid)

    async def limits(self, uid: str) -> Limits:
        def read(connect: libvirt.virConnect) -> Limits | None:
            domain = observation.lookup(connect, uid)
            if domain is None or not domain.isActive():
                return None
            found = definition.parse(domain.XMLDesc())
            return None if found is None else tuning.read(domain, uid, found.taps)

        limits = await self._observer.connection.call(f"read the limits of {uid}", read)
        if limits is None:
            raise NotFound(f"machine {uid} does not run on this node")
        return limits

    async def console(self, uid: str) -> Console:
        loop = asyncio.get_running_loop()
        return await self._control.connection.call(
            f"open the console of {uid}", lambda connect: console.open_console(connect, uid, loop)
        )

    def events(self) -> Listeners:
        return self._listeners

    async def _update_in_place(self, machine: Machine, mark: Mark | None, wanted: Mark, limits: Limits) -> None:
        """Update what needs no new domain: the mark, and what the running machine is bound to."""
        assert mark is not None
        part = mark.host_part
        if machine.state is MachineState.RUNNING and part != wanted.host_part:
            await self._control.bind(limits, wanted)
            part = wanted.host_part
        if (mark.revision, mark.reboots) != (wanted.revision, wanted.reboots):
            await self._control.write_mark(replace(wanted, host_part=part), live=True)

    async def _image(self, desired: Desired) -> CachedImage:
        """Return the image, checked to fit the machine's disks as far as that is known while it runs."""
        image = await self._images.image(desired.spec.image)
        await asyncio.to_thread(self._files(desired.uid).check, desired.spec, image)
        await self._check_state()  # the image may have taken long to arrive
        return image

    async def _define(self, desired: Desired, image: CachedImage, files: MachineFiles) -> None:
        xml = definition.domain_xml(
            desired,
            limits=limits_of(desired, self._layout),
            mark=self._mark_of(desired),
            kvm=self._kvm,
            image=image,
            disks=files.disks(desired.spec),
            config_drive=files.config_drive,
            console_log=files.console_log,
        )
        await self._control.define(desired.name, xml)

    def _keep_newer_disk(self, files: MachineFiles, desired: Desired, image: CachedImage) -> None:
        """Keep a root disk aside that an older revision replaces: who asks for it may be a restored database."""
        if files.replaces_root_disk(image):
            self._quarantine.keep_disk(files.root_disk, desired.uid, desired.name, self._clock.now())

    def _files(self, uid: str) -> MachineFiles:
        return MachineFiles(self._settings.state_folder, uid)

    def _mark_of(self, desired: Desired) -> Mark:
        return Mark.of(desired, self._observer.layout_digest)


async def _nothing() -> None:
    """Check nothing: the caller watches the folder, or it is a test's."""
