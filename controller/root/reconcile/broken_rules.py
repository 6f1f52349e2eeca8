"""Reports to the users of a service that a hard rule is broken where its Computes are, and the command that mends it.

A policy may be changed after the placement, and so may a zone or a label of a node. Nothing is moved by that: the
service runs on and stays Active, with the broken rules in ``observed.broken_rules`` and a status reason.

Found from what the clusters report of each Compute; no node is read. An older cluster does not report labels: rules
over labels are not checked then. Soft rules are never reported, see ``hard_rules``.

Design: J5, J11, K5
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.model import hard_rules
from controller.model.compute import Compute
from controller.model.event import EventLevel
from controller.model.region_service import RegionService
from controller.model.registry import key_of
from controller.store import events
from controller.store.database import Transaction


def messages(service: RegionService, computes: Sequence[Compute]) -> tuple[str, ...]:
    """Return the broken rules, a text for each."""
    policy = service.spec.compute.schedule_policy
    if not (policy.node_filters or policy.node_label_filters or any(rule.hard for rule in policy.all_rules())):
        return ()
    return hard_rules.broken(policy, [_place(each) for each in computes])


def reason(service: RegionService, broken: Sequence[str]) -> str:
    """Return the status reason, in one line; empty when no rule is broken."""
    if not broken:
        return ""
    others = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return f"{broken[0]}{others}; run resourcectl rebalance {service.name}"


def record(tx: Transaction, service: RegionService, broken: Sequence[str]) -> None:
    """Record an event when the first rule is broken, and when all hold again."""
    had = bool(service.facts.broken_rules)
    if had == bool(broken):
        return
    path = key_of(service).path
    if broken:
        text = reason(service, broken)
        events.record(tx, service.kind, path, "RulesBroken", text, EventLevel.WARNING)
    else:
        events.record(tx, service.kind, path, "RulesKept", "its hard rules are kept again")


def _place(compute: Compute) -> hard_rules.Place:
    facts = compute.facts
    zones = {"datacenter": facts.datacenter, "power": facts.power, "network": facts.network, "rack": facts.rack}
    known = {axis: domain for axis, domain in zones.items() if domain}
    return hard_rules.Place(facts.node or None, known or None, facts.node_labels)
