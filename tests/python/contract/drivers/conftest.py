"""Fixtures of the driver contract suite: every implementation runs the same tests.

An implementation is a function from a temporary folder to ``Hosts``. The libvirt one is
``libvirt_hosts(folder)`` in ``libvirt_hosts.py``; it is marked ``vm``, for it starts machines.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from controller.agent.drivers.base import Driver
from controller.agent.drivers.memory import FolderHypervisors, MemoryHypervisors
from tests.python.contract.drivers.hosts import Hosts
from tests.python.contract.drivers.memory_hosts import MemoryHosts


async def _memory(folder: Path) -> Hosts:
    return MemoryHosts(MemoryHypervisors())


async def _memory_slow(folder: Path) -> Hosts:
    return MemoryHosts(MemoryHypervisors(), seconds=0.02)


async def _memory_folder(folder: Path) -> Hosts:
    return MemoryHosts(FolderHypervisors(folder / "world"))


async def _libvirt(folder: Path) -> Hosts:
    from tests.python.contract.drivers.libvirt_hosts import libvirt_hosts

    return await libvirt_hosts(folder)


IMPLEMENTATIONS: dict[str, Callable[[Path], Awaitable[Hosts]]] = {
    "memory": _memory,
    "memory-slow": _memory_slow,
    "memory-folder": _memory_folder,
}
PARAMETERS = [pytest.param(name, id=name) for name in IMPLEMENTATIONS]
if importlib.util.find_spec("tests.python.contract.drivers.libvirt_hosts") is not None:
    IMPLEMENTATIONS["libvirt"] = _libvirt
    PARAMETERS.append(pytest.param("libvirt", id="libvirt", marks=pytest.mark.vm))


@pytest.fixture(params=PARAMETERS)
async def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Hosts]:
    """Two clean hosts of each implementation in turn."""
    hosts = await IMPLEMENTATIONS[request.param](tmp_path)
    yield hosts
    await hosts.close()


@pytest.fixture
async def driver_factory(hosts: Hosts) -> AsyncIterator[Callable[[int], Awaitable[Driver]]]:
    """Opens drivers on the hosts and closes them after the test."""
    drivers: list[Driver] = []

    async def open_driver(host: int = 0) -> Driver:
        drivers.append(await hosts.driver(host))
        return drivers[-1]

    yield open_driver
    for driver in drivers:
        await driver.close()


@pytest.fixture
async def pinning_factory(hosts: Hosts) -> AsyncIterator[Callable[[int], Awaitable[Driver]]]:
    """Opens drivers that give cpus one by one, and closes them after the test."""
    drivers: list[Driver] = []

    async def open_driver(host: int = 0) -> Driver:
        drivers.append(await hosts.pinning_driver(host))
        return drivers[-1]

    yield open_driver
    for driver in drivers:
        await driver.close()


@pytest.fixture
async def driver(driver_factory: Callable[[int], Awaitable[Driver]]) -> Driver:
    """A driver on host 0."""
    return await driver_factory(0)
