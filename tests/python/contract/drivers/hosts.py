"""What an implementation gives to the driver contract suite: two hosts, and a way to observe them.

A new implementation writes a ``Hosts`` and adds itself to ``IMPLEMENTATIONS`` in ``conftest.py``.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from ipaddress import IPv4Address
from typing import Any

from controller.agent.drivers.base import Driver
from controller.agent.drivers.types import Desired, Machine, MigrationTarget
from controller.model.compute import ComputeSpec, Disk, Interface
from controller.model.flavor import Sizes
from controller.model.image import ImageSpec


class Hosts(ABC):
    """Two hosts, 0 and 1, of one implementation. Machines get addresses of 172.16.250.0/24."""

    provider: str
    shutdown_timeout: int = 30
    """Seconds that a guest of this implementation may need for an ACPI shutdown."""

    @abstractmethod
    async def driver(self, host: int = 0) -> Driver:
        """A new, opened driver on the host; a second one is a restarted agent. Closed by the suite's fixture."""

    @abstractmethod
    async def pinning_driver(self, host: int = 0) -> Driver:
        """A new, opened driver that gives one or more of the host's cpus one by one, others on host 1 than on host 0.

        Skips the test where the machine has too few cpus.
        """

    @abstractmethod
    async def restart_hypervisor(self, host: int = 0) -> None:
        """Restart the hypervisor's daemon; its machines continue to run."""

    @abstractmethod
    def target(self, host: int) -> MigrationTarget:
        """Return the host as target of a migration."""

    @abstractmethod
    def image(self, *, other: bool = False) -> ImageSpec:
        """An image that works here; ``other``: one more with another checksum."""

    @abstractmethod
    def bad_image(self) -> ImageSpec:
        """An image whose bytes do not match its checksum."""

    @abstractmethod
    async def crash(self, uid: str, host: int = 0) -> None:
        """Kill the machine's process."""

    @abstractmethod
    async def root_disk(self, uid: str, host: int = 0) -> str | None:
        """Return the identity of the root disk (each disk has its own), or None if it does not exist."""

    @abstractmethod
    async def close(self) -> None:
        """Remove everything."""

    def desired(
        self, name: str = "default.kanto.web-0", *, revision: int = 1, uid: str = "", **changes: Any
    ) -> Desired:
        """A machine to ask for; ``changes`` replace fields of its spec."""
        values: dict[str, Any] = {
            "service": "web",
            "index": 0,
            "host_name": "web-0.default.kanto",
            "cluster": "tokyo1",
            "provider": self.provider,
            "sizes": Sizes(vcpus=1, memory_mib=128, disk_gib=1),
            "image": self.image(),
            "interfaces": (
                Interface(
                    network="service",
                    address=IPv4Address("172.16.250.10"),
                    prefix_length=24,
                    gateway=IPv4Address("172.16.250.1"),
                    mac="52:54:ac:10:fa:0a",
                ),
            ),
            "shutdown_timeout": self.shutdown_timeout,
        }
        spec = ComputeSpec(**{**values, **changes})
        return Desired(uid or uuid.uuid4().hex, name, revision, spec)

    @staticmethod
    def sizes(**changes: Any) -> Sizes:
        """The smallest sizes, with changes."""
        return Sizes(**{"vcpus": 1, "memory_mib": 128, "disk_gib": 1, **changes})

    @staticmethod
    def extra_disk(name: str) -> Disk:
        """An extra disk of the smallest size."""
        return Disk(name=name, size_gib=1)


async def find(driver: Driver, uid: str) -> Machine | None:
    """Return the machine as the driver observes it."""
    return next((machine for machine in await driver.observe() if machine.uid == uid), None)
