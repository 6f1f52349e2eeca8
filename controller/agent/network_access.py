"""Reads who may open connections to the node's machines from the message of the cluster, for the service network.

A rule that this agent does not understand (of a newer cluster) is left out, with a warning: it accepts nothing, and
the other rules count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

import structlog
from pydantic import ValidationError

from controller.hostnet.access import Access, ServiceAccess
from controller.model.moments import STORED
from controller.model.security_group import IngressRule
from controller.wire.agent_pb2 import NetworkAccess, SecurityGroupRules

_log = structlog.get_logger("agent")


def read(message: NetworkAccess) -> Access:
    """Return the services, groups and sources of the message."""
    return Access(
        services={
            each.service: ServiceAccess(_addresses(each.members), tuple(each.groups)) for each in message.services
        },
        groups={each.group: tuple(_rules(each)) for each in message.groups},
        sources={each.source: _addresses(each.addresses) for each in message.sources},
    )


def _addresses(numbers: Iterable[int]) -> frozenset[IPv4Address]:
    return frozenset(map(IPv4Address, numbers))


def _rules(group: SecurityGroupRules) -> Iterator[IngressRule]:
    try:
        given = json.loads(group.spec)["ingress"]
    except (ValueError, KeyError, TypeError) as error:
        _log.warning("security group not understood", group=group.group, error=repr(error))
        return
    for rule in given:
        try:
            yield IngressRule.model_validate(rule, context=STORED)
        except ValidationError as error:
            _log.warning("rule of a security group not understood", group=group.group, error=str(error))
