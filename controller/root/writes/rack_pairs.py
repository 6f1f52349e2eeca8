"""Pairs of racks: a rack is not its own pair, and racks that name each other can be deleted one by one.

The pair of a rack is only a name: the rack that stays loses it when the other one is deleted. A rack that names the
deleted one without being named back, also through others, keeps it in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller.model.datacenter import RACK, Rack
from controller.model.registry import AnyResource, Key, key_of
from controller.root.writes.immutability_rules import Refusal, invalid
from controller.root.writes.port_claims import Change
from controller.store import resources
from controller.store.database import Transaction


def refusals(changes: Sequence[Change]) -> list[tuple[int, Refusal]]:
    """Return, by step, the racks that become their own pair."""
    found: list[tuple[int, Refusal]] = []
    for index, before, after in changes:
        if not isinstance(after, Rack) or after.spec.pair != after.name:
            continue
        if not isinstance(before, Rack) or before.spec.pair != after.spec.pair:
            found.append((index, invalid("spec.pair", f"{key_of(after)} cannot be paired with itself")))
    return found


def unpaired(tx: Transaction, deleted: Iterable[AnyResource]) -> list[tuple[Rack, Rack]]:
    """Return the racks that stay and lose their pair, as stored and without it."""
    leaving = {key_of(rack): rack for rack in deleted if isinstance(rack, Rack)}
    found: list[tuple[Rack, Rack]] = []
    for datacenter in sorted({rack.datacenter for rack in leaving.values() if rack.spec.pair is not None}):
        racks = {rack.name: rack for rack in resources.list_all(tx, RACK, parents=(datacenter,))}
        for rack in racks.values():
            if key_of(rack) not in leaving and _pair(rack) in leaving and _leads_back(rack, racks):
                spec = rack.spec.model_copy(update={"pair": None})
                found.append((rack, rack.model_copy(update={"spec": spec})))
    return found


def _pair(rack: Rack) -> Key[Rack] | None:
    return None if rack.spec.pair is None else RACK.key(rack.datacenter, rack.spec.pair)


def _leads_back(rack: Rack, racks: dict[str, Rack]) -> bool:
    seen: set[str] = set()
    name = rack.spec.pair
    while name is not None and name in racks and name not in seen:
        if name == rack.name:
            return True
        seen.add(name)
        name = racks[name].spec.pair
    return False
