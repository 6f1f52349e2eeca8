"""Two private hosts with libvirtd, emptied after each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.python.contract.drivers.libvirt_hosts import LibvirtHosts, libvirt_hosts
from tests.python.hosted_driver import HostedDriver


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[LibvirtHosts]:
    hosts = await libvirt_hosts(tmp_path)
    yield hosts
    await hosts.close()


@pytest.fixture
async def driver(hosts: LibvirtHosts) -> AsyncIterator[HostedDriver]:
    """A driver on host 0."""
    driver = await hosts.driver(0)
    yield driver
    await driver.close()


@pytest.fixture
async def other(hosts: LibvirtHosts) -> AsyncIterator[HostedDriver]:
    """A driver on host 1."""
    driver = await hosts.driver(1)
    yield driver
    await driver.close()
