"""Runs the process ``cluster-agent``: makes one agent, its driver and its services from the settings.

At SIGTERM it begins nothing new, waits for steps in progress up to the drain timeout, and closes.
Machines and their routes stay as they are.

Design: A6, A9
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

from controller.agent.agent import Agent
from controller.agent.console_service import ConsoleService
from controller.agent.drivers.base import Driver
from controller.agent.drivers.memory import FolderHypervisors, MemoryDriver, MemoryHypervisors, failing_drivers
from controller.agent.enrolment import Enrolment
from controller.agent.host.facts import read_cells
from controller.agent.machine_reconciler import WorkLimits
from controller.agent.network import NetworkPort
from controller.agent.options import Options
from controller.agent.session import Intervals
from controller.agent.settings import AgentSettings, JoinSettings, MachineDriver, MemoryVariant
from controller.agent.state_guard import StateGuard
from controller.clock import Clock
from controller.errors import InvalidInput, Problem
from controller.model.service_process import ProcessKind
from controller.process.api_client import ApiClient
from controller.process.process import Process
from controller.process.self_description import VERSION
from controller.wire.agent_pb2_grpc import add_NodeServiceServicer_to_server

WATCH_SECONDS = 1.0


async def main(settings: AgentSettings) -> None:
    """Run the agent of one node until SIGTERM."""
    process = Process(ProcessKind.CLUSTER_AGENT, settings)
    guard = _guard(settings)
    driver = make_driver(settings, process.clock, guard.check)
    enrolment = Enrolment(
        process.folder,
        process.identity,
        process.channels,
        api=settings.api.target,
        join_api=settings.join.target or settings.api.target,
        clock=process.clock,
        token=lambda: _token(settings.join),
        authority=settings.join.authority,
    )
    if settings.tls.authority is None:
        process.renew_with(enrolment.renewer)
    console = ConsoleService(driver, process.identity.scope)
    process.add_service(lambda server: add_NodeServiceServicer_to_server(console, server))

    agent = Agent(
        _options(settings),
        driver,
        lambda: process.channels.get(settings.api.target, enrolment.server_name),
        clock=process.clock,
        state=settings.state_folder,
        guard=guard,
        network=_network(settings),
        endpoint=lambda: process.endpoint,
        report=process.report,
    )
    process.metrics.quarantine.set_function(lambda: agent.session.quarantine_bytes)
    process.add_task("agent", agent.run, stop=agent.stop)
    process.add_task("watch", lambda: _watch_readiness(process, agent, guard))
    process.heartbeat_to(ApiClient(process.channels, settings.api.target, enrolment.server_name).send_heartbeat)
    await process.run()


def make_driver(
    settings: AgentSettings, clock: Clock, check_state: Callable[[], Awaitable[None]] | None = None
) -> Driver:
    """Return the driver of virtual machines that the settings name; ``check_state`` as LibvirtDriver takes it."""
    if settings.driver is MachineDriver.MEMORY:
        return _memory_driver(settings, clock)
    # Imported here: a node without libvirt's library may run the in-memory driver.
    from controller.agent.drivers.libvirt.driver import LibvirtDriver
    from controller.agent.image_source.source import ImageSource

    read_cells(settings.libvirt.capacity)  # settings that do not fit the host end the process, with the reason
    source = ImageSource(settings.images, settings.network.infrastructure)
    return LibvirtDriver(settings.libvirt, source, clock, check_state)


def _guard(settings: AgentSettings) -> StateGuard:
    """Return the guard of all that the node keeps on disk: the agent's own state, and what the driver keeps."""
    folders = [settings.state_folder]
    if settings.driver is MachineDriver.LIBVIRT:
        folders.append(settings.libvirt.state_folder)
    return StateGuard(folders, node=settings.name, cluster=settings.cluster, credentials=settings.tls.folder)


def _memory_driver(settings: AgentSettings, clock: Clock) -> MemoryDriver:
    memory = settings.memory
    make: Callable[..., MemoryDriver] = MemoryDriver
    if memory.variant is not MemoryVariant.PLAIN:
        make = getattr(failing_drivers, memory.variant.value)
    if memory.variant in (MemoryVariant.REFUSES_IMAGE, MemoryVariant.HANGS, MemoryVariant.FAILS_START):
        make = functools.partial(make, marker=memory.marker)
    return make(
        settings.migration_address or f"memory:{settings.name}",
        FolderHypervisors(memory.world) if memory.world else MemoryHypervisors(),
        clock=clock,
        capacity=memory.capacity,
        numa=memory.numa,
        start_seconds=memory.start_seconds,
        shutdown_seconds=memory.shutdown_seconds,
        migration_seconds=memory.migration_seconds,
    )


def _options(settings: AgentSettings) -> Options:
    memory = settings.driver is MachineDriver.MEMORY
    limits = settings.limits
    return Options(
        node=settings.name,
        migration_address=settings.migration_address or (f"memory:{settings.name}" if memory else ""),
        version=VERSION,
        boot=_boot(settings),
        providers={offer.name: offer.driver for offer in settings.providers},
        resync=settings.resync_seconds,
        quarantine_seconds=limits.quarantine_seconds,
        limits=WorkLimits(limits.starts, limits.start_patience, limits.call_deadline, limits.stray_grace),
        intervals=Intervals(heartbeat=settings.heartbeat_seconds, resync=settings.resync_seconds),
    )


def _network(settings: AgentSettings) -> NetworkPort | None:
    if settings.driver is MachineDriver.MEMORY or not settings.network.enabled:
        return None
    from controller.hostnet.service import ServiceNetwork

    return ServiceNetwork(infrastructure=settings.network.infrastructure)


def _boot(settings: AgentSettings) -> str:
    """Return the node's boot; empty if it cannot be read, and then restarts are not detected."""
    try:
        return settings.boot_file.read_text().strip()
    except OSError:
        return ""


def _token(join: JoinSettings) -> str:
    """Return the join token. It is read at each call, because an operator may have put a new one."""
    if join.token_file is not None:
        try:
            return join.token_file.read_text().strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise InvalidInput([Problem("join.token_file", f"cannot be read: {error.strerror}")]) from error
    return join.token.get_secret_value() if join.token else ""


async def _watch_readiness(process: Process, agent: Agent, guard: StateGuard) -> None:
    """Set the process's readiness from the state on disk, the hypervisor and the session."""
    while True:
        for part, reason in (
            ("state", guard.reason),
            ("hypervisor", agent.hypervisor_reason()),
            ("cluster-api", "" if agent.session.connected else agent.session.last_error or "not connected yet"),
        ):
            if reason:
                process.not_ready(part, reason)
            else:
                process.ready(part)
        await asyncio.sleep(WATCH_SECONDS)
