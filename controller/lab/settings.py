"""Settings of a lab: its id, its nodes in their racks, and the names and addresses that follow from them.

All parts of a lab have its id in their names, so several labs can exist on one machine. Their link
addresses may be the same: no lab is connected to another, nor to the machine's own network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from controller.model.names import Name

LabId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,12}$")]
"""Letters and digits only: a ``-`` would make the name of one lab the start of another's."""

LINKS = IPv4Network("10.9.0.0/16")
"""Link addresses inside a lab: a /30 per node, number 0 is the control namespace's."""

ROUTER_AS = 65000
CONTROL_PORT = 7443
"""Port of the cluster API in the control namespace, and of each agent on its node."""

JOIN_PORT = 7444
"""Port of the cluster API for nodes that have no certificate yet."""

MARKER = "RESOURCE_SERVICE_LAB"
"""Environment variable of every process of the control plane that a lab started: the lab's id."""


class NodePlan(BaseModel):
    """A node to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    rack: Name


def tokyo_nodes(racks: int = 2, per_rack: int = 2) -> tuple[NodePlan, ...]:
    """Return nodes named as in ``examples/tokyo``."""
    return tuple(
        NodePlan(name=f"floor-1-1-1-rack-1-{rack}-server{server}", rack=f"floor-1-1-1-rack-1-{rack}")
        for rack in range(1, racks + 1)
        for server in range(1, per_rack + 1)
    )


class LabSettings(BaseModel):
    """Settings of a lab."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: LabId = "tokyo"
    nodes: Annotated[tuple[NodePlan, ...], Field(min_length=1, max_length=60)] = tokyo_nodes()
    folder: Path = Path("/var/lib/resource-service-lab")
    """Folder of all labs' state; each has a folder of its own in it."""
    api_port: Annotated[int, Field(ge=1, le=65535)] = 7440
    """Port of the REST API on the machine's loopback; each lab needs its own."""
    services: IPv4Network = IPv4Network("172.16.0.0/16")
    """Service addresses that the router accepts from nodes; other addresses of the network are unreachable."""

    @property
    def state(self) -> Path:
        """Return the folder of this lab. It must be short, because it has Unix sockets (108 characters at most)."""
        return self.folder / self.id


@dataclass(frozen=True)
class Place:
    """A network namespace of a lab and its link to the router."""

    number: int
    namespace: str
    address: IPv4Address
    gateway: IPv4Address
    port: str
    """The router's interface."""


@dataclass(frozen=True)
class Node(Place):
    """A node's names, addresses and folders."""

    name: str
    rack: str
    root: Path
    """The node's own files: ``etc-libvirt``, ``lib-libvirt``, ``log-libvirt``, ``run``, ``state``, ..."""
    handles: Path
    """Folder with the files that keep its mount and UTS namespaces."""
    as_number: int

    @property
    def state(self) -> Path:
        """Return the folder that is ``/var/lib/resource-service`` on the node."""
        return self.root / "state"

    @property
    def libvirt_uri(self) -> str:
        """Return the URI of its libvirtd, for use outside of its namespaces."""
        return f"qemu+unix:///system?socket={self.root}/run/libvirt/libvirt-sock"

    def enter(self, *command: str) -> list[str]:
        """Return the command line that runs ``command`` on the node. One process: signals reach it."""
        return [
            "nsenter",
            f"--net=/run/netns/{self.namespace}",
            f"--mount={self.handles}/mnt",
            f"--uts={self.handles}/uts",
            "--",
            *command,
        ]


class Layout:
    """The names and addresses of a lab, computed from its settings only."""

    def __init__(self, settings: LabSettings) -> None:
        self.settings = settings
        self.prefix = f"rs-{settings.id}-"
        self.router = f"{self.prefix}router"
        self.router_state = settings.state / "router"
        self.handles = handles_folder() / settings.id
        number, address, gateway = _link(0)
        self.control = Place(number, f"{self.prefix}ctl", address, gateway, "ctl")

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes, in the order of the settings."""
        return tuple(self._node(number, plan) for number, plan in enumerate(self.settings.nodes, start=1))

    @property
    def places(self) -> tuple[Place, ...]:
        """Return everything that has a link to the router."""
        return (self.control, *self.nodes)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Return all network namespaces."""
        return (self.router, *(place.namespace for place in self.places))

    def node(self, name: str) -> Node:
        """Return a node by its name. Raises KeyError."""
        return {node.name: node for node in self.nodes}[name]

    def _node(self, number: int, plan: NodePlan) -> Node:
        _, address, gateway = _link(number)
        return Node(
            number=number,
            namespace=f"{self.prefix}node{number}",
            address=address,
            gateway=gateway,
            port=f"node{number}",
            name=plan.name,
            rack=plan.rack,
            root=self.settings.state / "nodes" / f"node{number}",
            handles=self.handles / f"node{number}",
            as_number=ROUTER_AS + 100 + number,
        )


def handles_folder() -> Path:
    """Return the folder of all labs' namespace files. A reboot deletes it, as it ends the namespaces."""
    return Path("/run/resource-service-lab")


def _link(number: int) -> tuple[int, IPv4Address, IPv4Address]:
    base = LINKS.network_address + 4 * number
    return number, base + 2, base + 1
