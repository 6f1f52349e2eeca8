"""NetworkV4 and its ports: pools of service addresses, one owner per address.

Design: D7, G7
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from controller.model.envelope import Resource, Spec
from controller.model.fields import Change, field
from controller.model.kind_rules import AccessRules
from controller.model.names import Address, Mac, Name, Subnet
from controller.model.registry import Column, Kind, register


class NetworkV4Spec(Spec):
    """A subnet and its pool of addresses. The pool can grow; subnet and gateway cannot change."""

    subnet: Subnet = field("Subnet of the addresses.", example="172.16.10.0/24", change=Change.REFUSED)
    gateway: Address = field(
        "Gateway of the Computes, the same on every node.", example="172.16.10.1", change=Change.REFUSED
    )
    start_address: Address = field("First address of the pool.", example="172.16.10.10")
    end_address: Address = field("Last address of the pool.", example="172.16.10.250")

    @model_validator(mode="after")
    def _pool_is_inside(self) -> NetworkV4Spec:
        for name in ("gateway", "start_address", "end_address"):
            if getattr(self, name) not in self.subnet:
                raise ValueError(f"{name} {getattr(self, name)} is not in subnet {self.subnet}")
        if self.end_address < self.start_address:
            raise ValueError("end_address is below start_address")
        if self.start_address <= self.gateway <= self.end_address:
            raise ValueError(f"gateway {self.gateway} is inside the pool")
        return self


class NetworkV4(Resource[NetworkV4Spec]):
    """A network of service addresses. Nodes announce each used address individually."""

    parents = ("cluster",)
    kind: Literal["NetworkV4"] = "NetworkV4"
    cluster: Name = field("Cluster of the network.", example="tokyo1", reference="Cluster")
    spec: NetworkV4Spec = field(
        "Desired state.",
        example={
            "subnet": "172.16.10.0/24",
            "gateway": "172.16.10.1",
            "start_address": "172.16.10.10",
            "end_address": "172.16.10.250",
        },
    )


NETWORK_V4 = register(
    Kind(
        NetworkV4,
        segment="networks",
        parent="Cluster",
        plural="NetworkV4s",
        columns=(
            Column("SUBNET", "spec.subnet"),
            Column("GATEWAY", "spec.gateway"),
            Column("FROM", "spec.start_address"),
            Column("TO", "spec.end_address"),
        ),
        aliases=("network", "networkv4"),
        supplies_addresses=True,
        example={
            "kind": "NetworkV4",
            "name": "service",
            "cluster": "tokyo1",
            "spec": {
                "subnet": "172.16.10.0/24",
                "gateway": "172.16.10.1",
                "start_address": "172.16.10.10",
                "end_address": "172.16.10.250",
            },
        },
    )
)


class NetworkV4PortSpec(Spec):
    """An address with its owner."""

    address: Address = field("Address, unique in its network.", example="172.16.10.10")
    mac: Mac = field("MAC address, unique in all networks.", example="52:54:ac:10:0a:0a")
    owner_kind: str = field("Kind of the owner.", example="Compute")
    owner: str = field("Key of the owner.", example="default/kanto/web-0")


class NetworkV4Port(Resource[NetworkV4PortSpec]):
    """An allocated address. The root controller allocates and frees it (read-only)."""

    parents = ("cluster", "network")
    kind: Literal["NetworkV4Port"] = "NetworkV4Port"
    cluster: Name = field("Cluster of the network.", example="tokyo1")
    network: Name = field("Network of the address.", example="service")
    spec: NetworkV4PortSpec = field("The allocated address.", example={"address": "172.16.10.10"})


NETWORK_V4_PORT = register(
    Kind(
        NetworkV4Port,
        segment="ports",
        parent="NetworkV4",
        user_made=False,
        columns=(Column("ADDRESS", "spec.address"), Column("MAC", "spec.mac"), Column("OWNER", "spec.owner")),
        aliases=("port",),
        access=AccessRules(subject_fields=("owner_kind", "owner")),
        example={
            "kind": "NetworkV4Port",
            "name": "172-16-10-10",
            "cluster": "tokyo1",
            "network": "service",
            "spec": {
                "address": "172.16.10.10",
                "mac": "52:54:ac:10:0a:0a",
                "owner_kind": "Compute",
                "owner": "default/kanto/web-0",
            },
        },
    )
)
