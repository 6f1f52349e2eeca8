"""The variable part of a node's firewall as sets and chains, and the changes from one to another. Pure.

A packet to a tap is dispatched by one look-up in the map ``entry`` to the chain of the tap's service. That chain
accepts the service's members and then jumps to the chain of each of its groups; the addresses of members and of
sources are sets. So the cost per packet depends on the rules of one service, and not on the number of machines.

``changes`` lists commands for one transaction, in an order that nft accepts: what is referred to is made before and
deleted after what refers to it. A chain whose rules differ is flushed and filled again, and a set whose elements
differ gets single elements.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from controller.hostnet.access import Access
from controller.hostnet.access_rules import statement

GUESTS, GATEWAYS, ENTRY = "guest", "gateway", "entry"
_AT_ONCE = 1000
"""Elements per command."""


class FilteredTap(Protocol):
    """What the firewall has to know of a tap."""

    @property
    def tap(self) -> str: ...
    @property
    def address(self) -> object: ...
    @property
    def gateway(self) -> object: ...
    @property
    def service(self) -> str: ...


@dataclass(frozen=True)
class Ruleset:
    """Sets by name with their elements, maps included, and chains by name with their rules.

    ``guest``, ``gateway`` and ``entry`` are declared in the template; the other sets hold addresses.
    """

    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


EMPTY = Ruleset()


def build(taps: Sequence[FilteredTap], access: Access | None) -> Ruleset:
    """Return the sets and chains for the taps; ``access`` None: who may connect is not known, and nobody is refused."""
    sets = {
        GUESTS: frozenset(f'"{tap.tap}" . {tap.address}' for tap in taps),
        GATEWAYS: frozenset(f'"{tap.tap}" . {tap.gateway}' for tap in taps),
    }
    if access is None:
        return Ruleset({**sets, ENTRY: frozenset(f'"{tap.tap}" : accept' for tap in taps)})
    chains: dict[str, tuple[str, ...]] = {}
    for service in sorted({tap.service for tap in taps} & access.services.keys()):
        given = access.services[service]
        members = _named("m", service)
        sets[members] = frozenset(map(str, given.members))
        groups = [group for group in given.groups if group in access.groups]
        chains[_named("s", service)] = (
            f"ip saddr @{members} accept",
            *(f"jump {_named('g', group)}" for group in groups),
        )
        for group in groups:
            chains[_named("g", group)] = tuple(_rules(group, access, sets))
    entries = (tap for tap in taps if _named("s", tap.service) in chains)
    sets[ENTRY] = frozenset(f'"{tap.tap}" : jump {_named("s", tap.service)}' for tap in entries)
    return Ruleset(sets, chains)


def _rules(group: str, access: Access, sets: dict[str, frozenset[str]]) -> Iterator[str]:
    """Yield the rules of a group; add the sets that they name."""
    project = group.partition("/")[0]
    for rule in access.groups[group]:
        source = rule.source(project)
        name = _named("a", source)
        if source and name not in sets:
            sets[name] = frozenset(map(str, access.sources.get(source, ())))
        yield statement(rule, name)


def changes(table: str, before: Ruleset, after: Ruleset) -> list[str]:
    """Return the commands that turn ``before`` into ``after``, in the table ``inet <table>``."""
    declared = {GUESTS, GATEWAYS, ENTRY}
    differing = [name for name, rules in after.chains.items() if before.chains.get(name) != rules]
    dropped = sorted(before.chains.keys() - after.chains.keys())
    commands = [
        f"add set inet {table} {name} {{ type ipv4_addr; }}"
        for name in sorted(after.sets.keys() - before.sets.keys() - declared)
    ]
    commands += [f"add chain inet {table} {name}" for name in differing if name not in before.chains]
    commands += [f"flush chain inet {table} {name}" for name in (*differing, *dropped) if name in before.chains]
    commands += [f"add rule inet {table} {name} {rule}" for name in differing for rule in after.chains[name]]
    for name in sorted(before.sets.keys() | after.sets.keys()):
        old, new = before.sets.get(name, frozenset()), after.sets.get(name, frozenset())
        if name in after.sets or name in declared:
            commands += _elements("delete", table, name, old - new)
            commands += _elements("add", table, name, new - old)
    commands += [f"delete chain inet {table} {name}" for name in dropped]
    commands += [
        f"delete set inet {table} {name}" for name in sorted(before.sets.keys() - after.sets.keys() - declared)
    ]
    return commands


def arrivals(before: Ruleset, after: Ruleset) -> list[str]:
    """Return the names of the taps that ``after`` has and ``before`` does not have, each in quotes."""
    known = {element.split(" . ")[0] for element in before.sets.get(GUESTS, ())}
    return sorted({element.split(" . ")[0] for element in after.sets.get(GUESTS, ())} - known)


def _elements(verb: str, table: str, name: str, elements: Iterable[str]) -> Iterator[str]:
    ordered = sorted(elements)
    for start in range(0, len(ordered), _AT_ONCE):
        yield f"{verb} element inet {table} {name} {{ {', '.join(ordered[start : start + _AT_ONCE])} }}"


def _named(prefix: str, subject: str) -> str:
    """Return the name of a set or chain: nft takes 31 letters, and a key path may have more than 100."""
    return f"{prefix}_{hashlib.sha256(subject.encode()).hexdigest()[:16]}"
