"""Would the cluster take these Computes now, and what is free (J9): answers that change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.cluster.unit_of_work import plan_store
from controller.model.compute import Compute
from controller.model.node import Capacity
from controller.model.registry import key_of
from controller.schedule import Placed, Request, capacity_of, place
from controller.store import resources
from controller.store.database import Transaction


@dataclass
class Offer:
    """Node by Compute's name, and of those that find none: reason to the most nodes that it held for."""

    placements: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    """How many find no node; ``reasons`` are empty then where the cluster has none at all."""
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """All of them fit."""
        return not self.refused


def offer(tx: Transaction, cluster: str, computes: Sequence[Compute]) -> Offer:
    """Place the Computes on a snapshot that is thrown away; those that have a node keep it."""
    present = resources.get_many(tx, map(key_of, computes))
    result = Offer()
    asked = []
    for compute in computes:
        known = present.get(key_of(compute))
        node = known.observed.get("node") if known is not None else None
        if node:
            result.placements[compute.name] = node
        else:
            asked.append(compute)
    if not asked:
        return result
    snapshot = plan_store.snapshot(tx, cluster, asked)
    requests = [Request.of(compute.spec, key=compute.name, service=compute.service_path) for compute in asked]
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
    """What is free and what there is, over the nodes that are Up and schedulable."""
    snapshot = plan_store.snapshot(tx, cluster, ())
    free = snapshot.free[snapshot.open].clip(min=0).sum(axis=0)
    total = snapshot.total[snapshot.open].sum(axis=0)
    return Totals(capacity_of(free), capacity_of(total), int(snapshot.open.sum()))
