"""Machines and the service network together: who announces the address, before and after a migration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import pytest

from controller.agent.drivers.types import Desired, MachineState
from controller.hostnet.service import ServiceNetwork
from tests.python.contract.drivers.hosts import find
from tests.python.contract.drivers.libvirt_hosts import LibvirtHosts
from tests.python.hosted_driver import HostedDriver
from tests.python.libvirt_host import HostLoop

pytestmark = [pytest.mark.vm, pytest.mark.design("B5")]


@dataclass(frozen=True)
class TapState:
    tap: str
    mac: str
    address: IPv4Address
    gateway: IPv4Address
    running: bool
    service: str = "default/kanto/web"


async def sync(hosts: LibvirtHosts, host: int, driver: HostedDriver, desired: Desired) -> list[str]:
    """Sync the network with the machine as the agent does; return the addresses that are announced."""
    machine = await find(driver, desired.uid)
    taps = []
    if machine is not None:
        running = machine.state is MachineState.RUNNING
        for tap, nic in zip(machine.taps, desired.spec.interfaces, strict=True):
            taps.append(TapState(tap, nic.mac, nic.address, nic.gateway, running))
    loop = HostLoop(hosts.hosts[host].pid)
    try:
        await loop.do(ServiceNetwork(infrastructure=[IPv4Network("10.9.0.0/16")]).sync(taps))
    finally:
        loop.close()
    routes = json.loads(hosts.hosts[host].run("ip", "-j", "route", "show", "proto", "201"))
    return [route["dst"] for route in routes]


def mac(hosts: LibvirtHosts, host: int, tap: str) -> str:
    (link,) = json.loads(hosts.hosts[host].run("ip", "-j", "link", "show", tap))
    return str(link["address"])


async def test_the_address_goes_where_the_machine_runs(
    driver: HostedDriver, other: HostedDriver, hosts: LibvirtHosts
) -> None:
    desired = hosts.desired()
    address = str(desired.spec.interfaces[0].address)
    await driver.ensure(desired, run=True)
    machine = await find(driver, desired.uid)
    assert machine is not None
    (tap,) = machine.taps
    assert await sync(hosts, 0, driver, desired) == [address]
    before = mac(hosts, 0, tap)

    await other.prepare_incoming(desired)
    await driver.migrate(desired.uid, hosts.target(1))
    assert await sync(hosts, 0, driver, desired) == []
    assert await sync(hosts, 1, other, desired) == [], "it is paused"
    await other.resume(desired)
    assert await sync(hosts, 1, other, desired) == [address]
    assert mac(hosts, 1, tap) == before, "the guest's ARP entry of its gateway stays right"
