"""The capacity and the services of a cluster at one moment, as arrays for placement.

A ``Snapshot`` is built once from the database and serves many decisions: each placement changes its counters in
place, so that the next decision sees it. Nodes are in order of their names, so that every decision is
repeatable.

Values that decisions derive from the counters are cached (``cached``) and corrected for the nodes that changed since
(``changes``). A derived value records how much of that list it has processed, and the ``epoch``, which
``reset_derived`` increments.

Not promised: that the snapshot is still current. The transaction that writes the placements takes the capacity in the
database, and that decides.

Not safe for several threads at once.

Design: J10, I1
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from controller.model.node import Share
from controller.model.schedule_policy import AXES
from controller.schedule.best_fit import BestFit
from controller.schedule.inputs import (
    DIMENSIONS,
    CellFacts,
    Ints,
    Mask,
    NodeFacts,
    Request,
    capacity_of,
    columns,
    matrix,
    need_of,
    sizes_of,
)
from controller.schedule.node_groups import Domains, NodeGroups
from controller.schedule.numa import Cells
from controller.schedule.shapes import Shape
from controller.schedule.work import Work

__all__ = [
    "DIMENSIONS",
    "CellFacts",
    "Domains",
    "Ints",
    "Mask",
    "NodeFacts",
    "Request",
    "Snapshot",
    "capacity_of",
    "columns",
    "need_of",
    "sizes_of",
]

T = TypeVar("T")

OPEN = ""


class Snapshot:
    """The nodes, and how many resources of each service each of them has."""

    def __init__(self, nodes: Iterable[NodeFacts], standing: Iterable[tuple[str, str]] = ()) -> None:
        """``standing`` names (service, node) once per resource that counts for the rules."""
        self.nodes: tuple[NodeFacts, ...] = tuple(sorted(nodes, key=lambda node: node.name))
        self.index = {node.name: number for number, node in enumerate(self.nodes)}
        self.total: Ints = matrix(node.total for node in self.nodes)
        self.free: Ints = self.total - matrix(node.taken for node in self.nodes)
        self.cells = Cells(self.nodes)
        self.closed = [_closed(node) for node in self.nodes]
        """Why each node accepts nothing new; OPEN when it accepts."""
        self.open: Mask = np.array([why == OPEN for why in self.closed], dtype=np.bool_)
        self._usual = self._taken()
        self.work = Work()
        self.changes: list[int] = []
        self.epoch = 0
        self._cached: dict[str, dict[Hashable, Any]] = {}
        self._counts_by_node: dict[str, dict[int, int]] = {}
        for service, node in standing:
            self.count(service, node, 1)

    def __len__(self) -> int:
        return len(self.nodes)

    def domains(self, axis: str) -> Domains:
        """Return the domains of an axis: a zone of the nodes, or the values of a label."""
        return self.cached("domains", axis, lambda: _coded([_domain(node, axis) for node in self.nodes]))

    def node_groups(self, axes: Iterable[str]) -> NodeGroups:
        """Return the groups of nodes that those axes distinguish; the snapshot must have a node."""
        key = tuple(sorted(set(axes)))
        return self.cached(
            "node_groups", key, lambda: NodeGroups({axis: self.domains(axis) for axis in key}, len(self))
        )

    def labelled(self, label: str, value: str) -> Mask:
        """Return which nodes have that value of the label."""
        coded = self.cached("label", label, lambda: _coded([node.labels.get(label) for node in self.nodes]))
        mask: Mask = coded.codes == coded.code_of(value)
        return mask

    def offers(self, provider: str) -> Mask:
        """Return which nodes offer the provider."""
        return self.cached(
            "provider", provider, lambda: np.array([provider in node.providers for node in self.nodes], dtype=np.bool_)
        )

    def shape(self, request: Request) -> Shape:
        """Return what the request asks of a node, computed once for all that ask the same."""
        return self.cached("shape", Shape.key(request), lambda: Shape(request))

    def cached(self, kind: str, key: Hashable, make: Callable[[], T], at_most: int = 4096) -> T:
        """Return the cached value of the key, made when it is missing; the newest ``at_most`` of each kind are kept."""
        kept = self._cached.setdefault(kind, {})
        found: T | None = kept.get(key)
        if found is None:
            while len(kept) >= at_most:
                del kept[next(iter(kept))]
            found = kept[key] = make()
        return found

    def counts_by_node(self, service: str) -> dict[int, int]:
        """Return the number of each node that has resources of the service, with their count. Read only."""
        return self._counts_by_node.setdefault(service, {})

    def services(self) -> Iterable[tuple[str, Mapping[int, int]]]:
        """Return each service that has resources, with its ``counts_by_node``, in order of names."""
        return ((name, counts) for name, counts in sorted(self._counts_by_node.items()) if counts)

    def count(self, service: str, node: str, by: int) -> None:
        """Add a resource of the service to the count of the node (``by`` 1), or subtract it (-1)."""
        number = self.index.get(node)
        if number is not None:
            counts = self._counts_by_node.setdefault(service, {})
            counts[number] = counts.get(number, 0) + by
            if not counts[number]:
                del counts[number]

    def close(self, nodes: Iterable[str], why: str = "draining") -> None:
        """Accept nothing new on these nodes; ``why`` is the word for it in reasons."""
        self._set_closed(nodes, why)

    def reopen(self, nodes: Iterable[str]) -> None:
        """Undo ``close``: the node's own facts decide again."""
        for name in nodes:
            if name in self.index:
                self._set_closed((name,), _closed(self.nodes[self.index[name]]))

    def differs_from_facts(self, number: int) -> bool:
        """Return whether ``close`` or ``reopen`` has overruled the node's own facts."""
        return self.closed[number] != _closed(self.nodes[number])

    def _set_closed(self, nodes: Iterable[str], why: str) -> None:
        for name in nodes:
            number = self.index.get(name)
            if number is not None:
                self.closed[number] = why
                self.open[number] = why == OPEN
                self.mark_changed(number)

    def best_fit(self, shape: Shape) -> BestFit:
        """Return the costs of nodes for requests of the shape; the mix is what was taken when the epoch began."""
        if self._usual.any():
            return self.cached("fit", self.epoch, lambda: BestFit(self.total, self._usual), 1)
        return self.cached("first fit", shape.need, lambda: BestFit(self.total, shape.row), 16)

    def _taken(self) -> Ints:
        taken: Ints = (self.total - self.free).clip(min=0).sum(axis=0)
        return taken

    def take(self, node: str, share: Share) -> None:
        """Take a share of the node."""
        self._change(node, share, -1)

    def give_back(self, node: str, share: Share) -> None:
        """Return a share to the node."""
        self._change(node, share, 1)

    def take_plain(self, number: int, shape: Shape) -> None:
        """Take ``shape.plain`` of a node that has room for it."""
        self.free[number] -= shape.row
        self.changes.append(number)

    def give_back_plain(self, number: int, shape: Shape) -> None:
        """Return ``shape.plain`` to a node."""
        self.free[number] += shape.row
        self.changes.append(number)

    def mark_changed(self, number: int) -> None:
        """Mark what is derived of the node as outdated."""
        self.changes.append(number)

    def limit_changes(self) -> None:
        """Reset what is derived when processing the list of changes costs more than computing everything again."""
        if len(self.changes) > 1000 + len(self.nodes):
            self.reset_derived()

    def reset_derived(self) -> None:
        """Discard what was derived from the counters: decide as a new snapshot with these counters would."""
        self.changes.clear()
        self.epoch += 1
        self._usual = self._taken()

    def _change(self, node: str, share: Share, sign: int) -> None:
        number = self.index.get(node)
        if number is None:
            return
        row = self.free[number]
        row += sign * np.array(columns(share.size), dtype=np.int64)
        if self.cells.counts[number] and (share.cells or share.cpus):
            self.cells.change(number, share, sign)
        self.mark_changed(number)


def _closed(node: NodeFacts) -> str:
    """Return why the node accepts nothing new, by its own facts."""
    if node.state != "Up":
        return "down" if node.state == "Down" else "not seen up"
    if node.draining:
        return "draining"
    return OPEN if node.schedulable else "cordoned"


def _domain(node: NodeFacts, axis: str) -> str | None:
    if axis in AXES:
        return node.zones.get(axis) or (node.name if axis == "node" else None)
    return node.labels.get(axis)


def _coded(values: list[str | None]) -> Domains:
    names = sorted({value for value in values if value is not None})
    number: dict[str | None, int] = {name: code for code, name in enumerate(names)}
    codes = np.array([number.get(value, -1) for value in values], dtype=np.int64)
    return Domains(codes, tuple(names))
