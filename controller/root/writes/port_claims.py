"""Addresses and MACs of physical ports: each belongs to one port, and the database keeps it unique.

An address is unique in its network (of its datacenter), a MAC in its datacenter. The claims table holds them under the
owner's uid; deleting a resource deletes its claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from controller.model.physical_resource import PhysicalResource
from controller.model.registry import AnyResource
from controller.root.writes.immutability_rules import Refusal, conflict, invalid
from controller.store import claims, resources
from controller.store.claims import Claim
from controller.store.database import Transaction

Change = tuple[int, AnyResource | None, AnyResource | None]
"""Index of the step, the stored form and the new one."""
Place = tuple[str, str]
"""Scope and value."""


def refusals(tx: Transaction, changes: Sequence[Change]) -> list[tuple[int, Refusal]]:
    """Return, by step, the ports that claim what another port has, in the batch or in the database."""
    wanted: dict[Place, tuple[int, AnyResource, str]] = {}
    found: list[tuple[int, Refusal]] = []
    leaving = {place for _, before, _ in changes for place, _ in _places(before)}
    for index, _, after in changes:
        if after is None:
            continue
        for place, path in _places(after):
            other = wanted.setdefault(place, (index, after, path))
            if other[2] != path or other[0] != index:
                found.append((index, invalid(path, f"{place[1]} is also given to {other[1].name}")))
    for scope in sorted({place[0] for place in wanted}):
        for value, owner in claims.taken(tx, scope).items():
            claimed = wanted.get((scope, value))
            if claimed is None or (scope, value) in leaving:
                continue
            index, after, path = claimed
            if owner != after.uid:
                user = resources.get_by_uid(tx, owner)
                found.append((index, conflict(path, f"{value} is in use", [f"{user.kind} {user.name}"])))
    return found


def store(tx: Transaction, changes: Sequence[tuple[AnyResource | None, AnyResource]]) -> None:
    """Claim what the new forms have, and free what only the old forms had."""
    before = {(place, old.uid) for old, _ in changes if old is not None for place, _ in _places(old)}
    now = {(place, new.uid) for _, new in changes for place, _ in _places(new)}
    if before - now:
        claims.free_values(tx, sorted(place for place, _ in before - now))
    if now - before:
        claims.take(tx, [Claim(scope, value, owner) for (scope, value), owner in sorted(now - before)])


def _places(resource: AnyResource | None) -> Iterator[tuple[Place, str]]:
    if not isinstance(resource, PhysicalResource):
        return
    for index, port in enumerate(resource.spec.ports):
        if port.address is not None:
            scope = f"port-address/{resource.datacenter}/{port.network}"
            yield (scope, str(port.address)), f"spec.ports[{index}].address"
        for number, more in enumerate(port.secondary_addresses):
            scope = f"port-address/{resource.datacenter}/{more.network}"
            yield (scope, str(more.address)), f"spec.ports[{index}].secondary_addresses[{number}].address"
        if port.mac is not None:
            yield (f"port-mac/{resource.datacenter}", port.mac), f"spec.ports[{index}].mac"
