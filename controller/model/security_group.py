"""SecurityGroup: which connections the Computes of the services that name it accept.

A service without groups accepts connections of its own Computes only, and answers to connections that it opened
itself. Groups add to that: a connection is accepted if any rule of any group of the service matches. The nodes of the
Computes enforce the rules.

Not promised: rules for connections that a Compute opens (egress). These are limited by the node's ``infrastructure``
setting, and by the groups of their targets.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from controller.model.envelope import Observed, Part, Resource, Spec, read_observed
from controller.model.fields import field
from controller.model.kind_rules import Replication
from controller.model.names import Name, Subnet
from controller.model.registry import Column, Kind, register

MAX_RULES = 256
"""Rules of one group."""
MAX_GROUPS = 16
"""Groups of one service."""


class RuleProtocol(StrEnum):
    """The protocol of a rule."""

    TCP = "TCP"
    UDP = "UDP"
    ICMP = "ICMP"
    ANY = "Any"


_WITH_PORTS = (RuleProtocol.TCP, RuleProtocol.UDP)


class IngressRule(Part):
    """Connections that are accepted: a protocol, ports and one source."""

    protocol: RuleProtocol = field("Protocol; Any: all of IPv4.", example="TCP", default=RuleProtocol.TCP)
    port: int | None = field(
        "Port of TCP or UDP, or the first of a range; none: all ports.", example=443, default=None, ge=1, le=65535
    )
    end_port: int | None = field("Last port of a range; none: only `port`.", example=450, default=None, ge=1, le=65535)
    network: Subnet | None = field(
        "Source: the addresses of a network; 0.0.0.0/0: all.", example="192.0.2.0/24", default=None
    )
    group: Name | None = field(
        "Source: the Computes of all services that name this SecurityGroup, of the same project.",
        example="frontend",
        default=None,
        reference="SecurityGroup",
    )
    project: Name | None = field(
        "Source: all Computes of this project. Whether the project exists is not shown.",
        example="shop",
        default=None,
    )

    @model_validator(mode="after")
    def _ports_fit(self) -> IngressRule:
        if self.protocol not in _WITH_PORTS and (self.port is not None or self.end_port is not None):
            raise ValueError(f"{self.protocol.value} has no ports: leave port and end_port out")
        if self.end_port is not None and self.port is None:
            raise ValueError("end_port needs port, the first of the range")
        if self.port is not None and self.end_port is not None and self.end_port < self.port:
            raise ValueError(f"end_port {self.end_port} is below port {self.port}")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> IngressRule:
        given = [name for name in ("network", "group", "project") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(
                f"a rule has one source: network, group or project; found {found}. For everybody: network 0.0.0.0/0"
            )
        return self

    def source(self, project: str) -> str:
        """Return the name of the source of a rule of a group of ``project``: equal names stand for equal addresses.

        Empty for a network.
        """
        if self.group is not None:
            return f"group {project}/{self.group}"
        return f"project {self.project}" if self.project is not None else ""


class SecurityGroupSpec(Spec):
    """The rules of a group; without rules it accepts nothing, but other groups may name it as a source."""

    ingress: tuple[IngressRule, ...] = field(
        "Connections that are accepted.",
        example=[{"protocol": "TCP", "port": 443, "network": "0.0.0.0/0"}],
        default=(),
        max_length=MAX_RULES,
        unordered=True,
    )


class SecurityGroupObserved(Observed):
    """What the root adds for one cluster; users do not see it."""

    services: tuple[str, ...] = ()
    """Key paths of the services of that cluster that name the group."""
    sources: dict[str, tuple[int, ...]] = Field(default_factory=dict)
    """The addresses of each source of its rules, as numbers."""


class SecurityGroup(Resource[SecurityGroupSpec]):
    """Rules for connections to the Computes of the services that name it."""

    kind: Literal["SecurityGroup"] = "SecurityGroup"
    spec: SecurityGroupSpec = field(
        "Desired state.", example={"ingress": [{"protocol": "TCP", "port": 443, "network": "0.0.0.0/0"}]}
    )

    @property
    def facts(self) -> SecurityGroupObserved:
        """Return its observed facts."""
        return read_observed(self, SecurityGroupObserved)


SECURITY_GROUP = register(
    Kind(
        SecurityGroup,
        segment="security-groups",
        per_project=True,
        columns=(Column("STATUS", "status"), Column("REVISION", "resource_version", wide=True)),
        aliases=("sg",),
        replication=Replication(sent_with="SecurityGroup", sent_where_named=True, deleted_at_once=True),
        example={
            "kind": "SecurityGroup",
            "name": "web",
            "spec": {
                "ingress": [
                    {"protocol": "TCP", "port": 80, "network": "0.0.0.0/0"},
                    {"protocol": "TCP", "port": 8000, "end_port": 8100, "group": "web"},
                    {"protocol": "ICMP", "network": "192.0.2.0/24"},
                ]
            },
        },
    )
)
