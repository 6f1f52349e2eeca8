"""Forecasts where the Computes of services would go if they were written now, and why.

A ``Forecaster`` works on a snapshot that is never stored. Services are forecast one after the other,
in the order of the file: each sees what those before it took. A service without a cluster is placed
as a whole or not at all; one that is bound to this cluster takes what it can get.

The same code serves a live cluster and the replay of a saved snapshot, so that both give the same
answer. Nothing is promised: a later write takes its capacity in its own transaction. Pure: no I/O,
no clock.

Design: I1, J9
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
"""Placements that one answer explains at most, so that it fits into a message."""


@dataclass(frozen=True)
class ServiceRequest:
    """A service as it would be: what each Compute would be like, and how many."""

    compute: Compute
    """Any of its Computes: name and index are not used."""
    replicas: int
    bound: bool = False
    """Whether the service runs in this cluster already."""

    @property
    def service(self) -> str:
        """Return its name as rules count it: ``project/region/name``."""
        return self.compute.service_path

    def name(self, index: int) -> str:
        """Return the name of its Compute of that index: ``<service>-<index>``."""
        return f"{self.compute.spec.service}-{index}"


@dataclass
class Forecast:
    """The forecast of one service."""

    placements: dict[str, str] = field(default_factory=dict)
    """New Compute to its node."""
    why: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """New Compute to the scores that chose its node, as ``schedule.Explained`` has them; of EXPLAINED at most."""
    refused: dict[str, int] = field(default_factory=dict)
    """The counted reasons, as one text, to how many new Computes fit nowhere for them."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Reason to the most nodes that it held for."""
    resized: dict[str, str] = field(default_factory=dict)
    """Compute whose size changes to the node that it is on, or is moving to."""
    no_room: dict[str, str] = field(default_factory=dict)
    """Compute to why its new size does not fit on its node."""
    leaving: dict[str, str] = field(default_factory=dict)
    """Compute that is removed, one of the highest indices, to its node."""
    capacity: dict[str, dict[str, float]] = field(default_factory=dict)
    """Dimension to total, and free before and after, over the nodes that take new resources."""

    @property
    def accepted(self) -> bool:
        """Return whether all of it fits."""
        return not self.refused and not self.no_room

    def render(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"accepted": self.accepted, **vars(self)}

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Forecast:
        """Return the forecast of the JSON form."""
        return cls(**{name: value for name, value in raw.items() if name != "accepted"})


class Forecaster:
    """Forecasts services, one after the other, on one snapshot."""

    def __init__(self, snapshot: Snapshot, present: Mapping[str, Sequence[Present]]) -> None:
        """``present`` maps a service to its Computes that have a node and are not being deleted.

        The snapshot is changed; it counts those Computes for the rules and their shares as taken.
        """
        self._snapshot = snapshot
        self._present = present
        self._explained = 0

    def of(self, wanted: ServiceRequest) -> Forecast:
        """Return the forecast of the service."""
        before = self._free()
        found = Forecast()
        staying = self._leave(wanted, found)
        placed = self._place(wanted, {each.index for each in staying}, found)
        self._resize(wanted, staying, found)
        if found.refused and not (wanted.bound or staying):
            self._undo(wanted, placed)
            found.placements, found.why = {}, {}
        found.capacity = self._capacity(before)
        return found

    def _leave(self, wanted: ServiceRequest, found: Forecast) -> list[Present]:
        """Remove the highest indices first; return the Computes that stay.

        Design: K3
        """
        alive = sorted(self._present.get(wanted.service, ()), key=lambda each: each.index)
        for each in alive[wanted.replicas :]:
            found.leaving[wanted.name(each.index)] = each.node
            self._snapshot.give_back(each.node, each.share)
            self._snapshot.count(wanted.service, each.node, -1)
            if each.to:
                self._snapshot.give_back(each.to, each.to_share)
                self._snapshot.count(wanted.service, each.to, -1)
        return alive[: wanted.replicas]

    def _place(self, wanted: ServiceRequest, taken: set[int], found: Forecast) -> list[Placed]:
        missing = wanted.replicas - len(taken)
        fresh = [index for index in range(wanted.replicas + len(taken)) if index not in taken][: max(0, missing)]
        first = Request.of(wanted.compute.spec, key="", service=wanted.service)
        requests = [replace(first, key=wanted.name(index), index=index) for index in fresh]
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

    def _resize(self, wanted: ServiceRequest, staying: Iterable[Present], found: Forecast) -> None:
        """Resize each on its own node, in index order like a rolling update; what is moving arrives first."""
        need, machine_share = sizes_of(wanted.compute.spec)
        for each in staying:
            if (each.need, each.machine_share) == (need, machine_share):
                continue
            name = wanted.name(each.index)
            request = replace(Request.of(wanted.compute.spec, key=name, service=wanted.service), index=each.index)
            self._snapshot.give_back(each.node, each.share)
            node, old = (each.to, each.to_share) if each.to else (each.node, each.share)
            if each.to:
                self._snapshot.count(wanted.service, each.node, -1)
                self._snapshot.give_back(node, old)
            share = share_of_node(self._snapshot, node, request)
            if share is None:
                found.no_room[name] = f"no room on {node}: {shortage(self._snapshot, node, request)}"
            else:
                found.resized[name] = node
            self._snapshot.take(node, share or old)

    def _undo(self, wanted: ServiceRequest, placed: Iterable[Placed]) -> None:
        for answer in placed:
            self._snapshot.give_back(answer.node, answer.share)
            self._snapshot.count(wanted.service, answer.node, -1)

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
