"""Where the Computes of services would go if they were written now, and why (decisions: plans; pure).

A ``Forecaster`` works on a snapshot that is thrown away. Services are asked about one after the
other, as they stand in a file: each sees what those before it took. One that has no cluster yet is
taken as a whole or not at all (J9); one that is bound already takes what it can get.

The same code answers a live cluster and replays a saved snapshot, so that both say the same. A
forecast only: what is written later takes its capacity in the transaction of that write (I1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controller.model.compute import Compute
from controller.model.node import Capacity
from controller.schedule import (
    Placed,
    Present,
    Refused,
    Request,
    Snapshot,
    capacity_of,
    place_explained,
    share_of_node,
    shortage,
    sizes_of,
)
from controller.schedule.snapshot import DIMENSIONS

EXPLAINED = 5000
"""Placements that one answer explains at most: it must fit into a message."""


@dataclass(frozen=True)
class Wish:
    """A service as it would be: what each Compute would be like, and how many."""

    compute: Compute
    """Any of them: name and index do not matter."""
    replicas: int
    bound: bool = False
    """The service runs in this cluster already."""

    @property
    def service(self) -> str:
        """As rules count it: project, region and name."""
        return self.compute.service_path

    def name(self, index: int) -> str:
        """``<service>-<index>``"""
        return f"{self.compute.spec.service}-{index}"


@dataclass
class Forecast:
    """What would become of one service."""

    placements: dict[str, str] = field(default_factory=dict)
    """New Compute to its node."""
    why: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """New Compute to the scores that chose its node, as ``schedule.Explained`` has them; of EXPLAINED at most."""
    refused: dict[str, int] = field(default_factory=dict)
    """The counted reasons, as one text, to how many new Computes fit nowhere for them."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Reason to the most nodes that it held for."""
    resized: dict[str, str] = field(default_factory=dict)
    """Compute whose size changes to its node, where it stays, or where it is on its way to."""
    no_room: dict[str, str] = field(default_factory=dict)
    """Compute to why its new size does not fit on its node."""
    leaving: dict[str, str] = field(default_factory=dict)
    """Compute of the tail that goes, to its node."""
    capacity: dict[str, dict[str, float]] = field(default_factory=dict)
    """Dimension to total, and free before and after, over the nodes that take new resources."""

    @property
    def accepted(self) -> bool:
        """All of it fits."""
        return not self.refused and not self.no_room

    def render(self) -> dict[str, Any]:
        """The JSON form."""
        return {"accepted": self.accepted, **vars(self)}

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Forecast:
        """Out of the JSON form."""
        return cls(**{name: value for name, value in raw.items() if name != "accepted"})


class Forecaster:
    """Answers wishes, one after the other, on one snapshot."""

    def __init__(self, snapshot: Snapshot, present: Mapping[str, Sequence[Present]]) -> None:
        """``present``: service to its Computes that have a node and are to stay.

        The snapshot is changed; it counts those Computes for the rules and their shares as taken.
        """
        self._snapshot = snapshot
        self._present = present
        self._explained = 0

    def of(self, wish: Wish) -> Forecast:
        """What would become of the service."""
        before = self._free()
        found = Forecast()
        staying = self._leave(wish, found)
        placed = self._place(wish, {each.index for each in staying}, found)
        self._resize(wish, staying, found)
        if found.refused and not (wish.bound or staying):
            self._undo(wish, placed)
            found.placements, found.why = {}, {}
        found.capacity = self._capacity(before)
        return found

    def _leave(self, wish: Wish, found: Forecast) -> list[Present]:
        """The tail goes first; those that stay are returned (K3)."""
        alive = sorted(self._present.get(wish.service, ()), key=lambda each: each.index)
        for each in alive[wish.replicas :]:
            found.leaving[wish.name(each.index)] = each.node
            self._snapshot.give_back(each.node, each.share)
            self._snapshot.count(wish.service, each.node, -1)
            if each.to:
                self._snapshot.give_back(each.to, each.to_share)
                self._snapshot.count(wish.service, each.to, -1)
        return alive[: wish.replicas]

    def _place(self, wish: Wish, taken: set[int], found: Forecast) -> list[Placed]:
        missing = wish.replicas - len(taken)
        fresh = [index for index in range(wish.replicas + len(taken)) if index not in taken][: max(0, missing)]
        first = Request.of(wish.compute.spec, key="", service=wish.service)
        requests = [replace(first, key=wish.name(index), index=index) for index in fresh]
        worst: Counter[str] = Counter()
        placed: list[Placed] = []
        for answer in place_explained(self._snapshot, requests) if requests else ():
            if isinstance(answer, Refused):
                found.refused[answer.message] = found.refused.get(answer.message, 0) + 1
                worst |= Counter(answer.reasons or {"no nodes": 1})
                continue
            key = answer.placed.request.key
            placed.append(answer.placed)
            found.placements[key] = answer.placed.node
            if self._explained < EXPLAINED:
                self._explained += 1
                found.why[key] = answer.scores
        found.reasons = dict(worst)
        return placed

    def _resize(self, wish: Wish, staying: Iterable[Present], found: Forecast) -> None:
        """Each on its own node, in index order, as a rolling update goes; what is moving arrives first."""
        need, machine_share = sizes_of(wish.compute.spec)
        for each in staying:
            if (each.need, each.machine_share) == (need, machine_share):
                continue
            name = wish.name(each.index)
            request = replace(Request.of(wish.compute.spec, key=name, service=wish.service), index=each.index)
            self._snapshot.give_back(each.node, each.share)
            node, old = (each.to, each.to_share) if each.to else (each.node, each.share)
            if each.to:
                self._snapshot.count(wish.service, each.node, -1)
                self._snapshot.give_back(node, old)
            share = share_of_node(self._snapshot, node, request)
            if share is None:
                found.no_room[name] = f"no room on {node}: {shortage(self._snapshot, node, request)}"
            else:
                found.resized[name] = node
            self._snapshot.take(node, share or old)

    def _undo(self, wish: Wish, placed: Iterable[Placed]) -> None:
        for answer in placed:
            self._snapshot.give_back(answer.node, answer.share)
            self._snapshot.count(wish.service, answer.node, -1)

    def _free(self) -> Capacity:
        return capacity_of(self._snapshot.free[self._snapshot.open].clip(min=0).sum(axis=0))

    def _capacity(self, before: Capacity) -> dict[str, dict[str, float]]:
        total = capacity_of(self._snapshot.total[self._snapshot.open].sum(axis=0))
        after = self._free()
        return {
            name: {"total": getattr(total, name), "before": getattr(before, name), "after": getattr(after, name)}
            for name in DIMENSIONS
            if getattr(total, name)
        }
