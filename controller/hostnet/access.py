"""Who may open connections to the machines of a node: what a node's firewall is made from.

Values only. A service that is not listed is open to nobody; its own connections and their answers are not concerned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from controller.model.security_group import IngressRule


@dataclass(frozen=True)
class ServiceAccess:
    """What one service's Computes accept: connections of ``members``, and what the groups' rules allow."""

    members: frozenset[IPv4Address] = frozenset()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """The services of a node by key path, the groups that they name, and the addresses of the sources of rules."""

    services: Mapping[str, ServiceAccess] = field(default_factory=dict)
    groups: Mapping[str, tuple[IngressRule, ...]] = field(default_factory=dict)
    sources: Mapping[str, frozenset[IPv4Address]] = field(default_factory=dict)
