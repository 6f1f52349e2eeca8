"""The process ``cluster-agent`` (A6, A9): settings turned into one agent, its driver and its services.

At SIGTERM it begins nothing new, lets what is under way end within the drain's time, and closes;
machines go on as they are, and so do their routes.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from ipaddress import IPv4Network

from controller.agent.agent import Agent, Options
from controller.agent.console_service import ConsoleService
from controller.agent.drivers import memory_failures
from controller.agent.drivers.base import Driver
from controller.agent.drivers.memory import MemoryDriver
from controller.agent.drivers.memory_world import FolderHypervisors, MemoryHypervisors
from controller.agent.enrolment import Enrolment
from controller.agent.host.facts import read_cells
from controller.agent.machine_reconciler import Limits
from controller.agent.network import NetworkPort
from controller.agent.session import Pace
from controller.agent.settings import AgentSettings, JoinSettings, MachineDriver, MemoryVariant
from controller.clock import Clock
from controller.errors import InvalidInput, Problem
from controller.model.service_process import ProcessKind
from controller.process import Process
from controller.process.heartbeat import ApiClient
from controller.process.process import VERSION
from controller.wire.agent_pb2_grpc import add_NodeServiceServicer_to_server

WATCH_SECONDS = 1.0


async def main(settings: AgentSettings) -> None:
    """Run the agent of one node until SIGTERM."""
    process = Process(ProcessKind.CLUSTER_AGENT, settings)
    driver = make_driver(settings, process.clock)
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
        network=_network(settings),
        endpoint=lambda: process.endpoint,
        report=process.report,
    )
    process.add_task("agent", agent.run, stop=agent.stop)
    process.add_task("watch", lambda: _watch(process, agent))
    process.heartbeat_to(ApiClient(process.channels, settings.api.target, enrolment.server_name).tell)
    await process.run()


def make_driver(settings: AgentSettings, clock: Clock) -> Driver:
    """The driver of virtual machines that the settings ask for."""
    if settings.driver is MachineDriver.MEMORY:
        return _memory_driver(settings, clock)
    # Imported here: a node without libvirt's library may run the in-memory driver.
    from controller.agent.drivers.libvirt import LibvirtDriver

    read_cells(settings.libvirt.capacity)  # settings that do not fit the host end the process, with the reason
    return LibvirtDriver(settings.libvirt, clock)


def _memory_driver(settings: AgentSettings, clock: Clock) -> MemoryDriver:
    memory = settings.memory
    make: Callable[..., MemoryDriver] = MemoryDriver
    if memory.variant is not MemoryVariant.PLAIN:
        make = getattr(memory_failures, memory.variant.value)
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
        limits=Limits(limits.starts, limits.start_patience, limits.call_deadline, limits.stray_grace),
        pace=Pace(heartbeat=settings.heartbeat_seconds, resync=settings.resync_seconds),
    )


def _network(settings: AgentSettings) -> NetworkPort | None:
    if settings.driver is MachineDriver.MEMORY or not settings.network.enabled:
        return None
    from controller.hostnet.service import ServiceNetwork

    return ServiceNetwork(infrastructure=[IPv4Network(network) for network in settings.network.infrastructure])


def _boot(settings: AgentSettings) -> str:
    """The node's boot; empty where it cannot be told, and then nothing is concluded from it."""
    try:
        return settings.boot_file.read_text().strip()
    except OSError:
        return ""


def _token(join: JoinSettings) -> str:
    """The join token; read each time, for an operator may bring a new one."""
    if join.token_file is not None:
        try:
            return join.token_file.read_text().strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise InvalidInput([Problem("join.token_file", f"cannot be read: {error.strerror}")]) from error
    return join.token.get_secret_value() if join.token else ""


async def _watch(process: Process, agent: Agent) -> None:
    """Keep the process's readiness in step with the hypervisor and the session."""
    while True:
        for part, why in (
            ("hypervisor", agent.trouble()),
            ("cluster-api", "" if agent.session.connected else agent.session.last_error or "not connected yet"),
        ):
            if why:
                process.not_ready(part, why)
            else:
                process.ready(part)
        await asyncio.sleep(WATCH_SECONDS)
