"""Checks whether the cluster would take Computes now, and sums what is free, without any change.

Design: J9
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.cluster.unit_of_work import storage
from controller.model.compute import Compute
from controller.model.node import Capacity
from controller.model.registry import key_of
from controller.schedule import Placed, Request, capacity_of, place
from controller.store import resources
from controller.store.database import Transaction


@dataclass
class Offer:
    """The answer: Computes with their nodes, and why others fit nowhere."""

    placements: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    """How many Computes fit nowhere; ``reasons`` is empty where the cluster has no node."""
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Return whether all of them fit."""
        return not self.refused


def offer(tx: Transaction, cluster: str, computes: Sequence[Compute]) -> Offer:
    """Place the Computes on a snapshot that is never stored; those that have a node keep it."""
    present = resources.get_many(tx, map(key_of, computes))
    result = Offer()
    unplaced = []
    for compute in computes:
        known = present.get(key_of(compute))
        if known is not None and known.facts.node:
            result.placements[compute.name] = known.facts.node
        else:
            unplaced.append(compute)
    if not unplaced:
        return result
    snapshot = storage.snapshot(tx, cluster, unplaced)
    requests = [Request.of(compute.spec, key=compute.name, service=compute.service_path) for compute in unplaced]
    worst: Counter[str] = Counter()
    for answer in place(snapshot, requests):
        if isinstance(answer, Placed):
            result.placements[answer.request.key] = answer.node
        else:
            result.refused += 1
            worst |= Counter(answer.reasons)
    result.reasons = dict(worst)
    return result


@dataclass(frozen=True)
class Totals:
    """Sums over the nodes that take new resources."""

    free: Capacity
    total: Capacity
    nodes: int


def totals(tx: Transaction, cluster: str) -> Totals:
    """Return free and total capacity, over the nodes that are Up and schedulable."""
    snapshot = storage.snapshot(tx, cluster, ())
    free = snapshot.free[snapshot.open].clip(min=0).sum(axis=0)
    total = snapshot.total[snapshot.open].sum(axis=0)
    return Totals(capacity_of(free), capacity_of(total), int(snapshot.open.sum()))
