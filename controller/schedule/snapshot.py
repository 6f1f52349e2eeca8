"""What placement knows of a cluster at one moment, as arrays (J10).

A ``Snapshot`` is built once from the database and then used for many decisions: every placement
changes its counters in place, so the next decision sees it. Nodes stand in order of their names,
which makes every decision repeatable.

What decisions work out from it is kept beside it (``remembered``), and put right by the numbers
of the nodes that were changed since (``changes``): its age is told by how much of that list it has
seen, and after ``start_anew`` by the ``epoch``.

Not promised: that the snapshot is still true. The transaction that writes the placements takes
the capacity in the database, and that is what decides (I1).

Not safe for several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from controller.model.node import Share
from controller.model.schedule_policy import AXES
from controller.schedule.best_fit import Fit
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
from controller.schedule.node_groups import Domains, Layout
from controller.schedule.numa import Cells
from controller.schedule.shapes import Shape

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
    """Nodes, and how many resources of each service stand on them."""

    def __init__(self, nodes: Iterable[NodeFacts], standing: Iterable[tuple[str, str]] = ()) -> None:
        """``standing`` names (service, node) once per resource that counts for the rules."""
        self.nodes: tuple[NodeFacts, ...] = tuple(sorted(nodes, key=lambda node: node.name))
        self.index = {node.name: number for number, node in enumerate(self.nodes)}
        self.total: Ints = matrix(node.total for node in self.nodes)
        self.free: Ints = self.total - matrix(node.taken for node in self.nodes)
        self.cells = Cells(self.nodes)
        self.closed = [_closed(node) for node in self.nodes]
        """Why each node takes nothing new; OPEN when it does."""
        self.open: Mask = np.array([why == OPEN for why in self.closed], dtype=np.bool_)
        self._usual = self._taken()
        self.changes: list[int] = []
        self.epoch = 0
        self._remembered: dict[str, dict[Hashable, Any]] = {}
        self._standing: dict[str, dict[int, int]] = {}
        for service, node in standing:
            self.count(service, node, 1)

    def __len__(self) -> int:
        return len(self.nodes)

    def domains(self, axis: str) -> Domains:
        """The domains of an axis: a zone of the nodes, or a label's values."""
        return self.remembered("domains", axis, lambda: _coded([_domain(node, axis) for node in self.nodes]))

    def layout(self, axes: Iterable[str]) -> Layout:
        """The groups of nodes that those axes tell apart; the snapshot has at least one node."""
        key = tuple(sorted(set(axes)))
        return self.remembered("layout", key, lambda: Layout({axis: self.domains(axis) for axis in key}, len(self)))

    def labelled(self, label: str, value: str) -> Mask:
        """Nodes whose label has that value."""
        coded = self.remembered("label", label, lambda: _coded([node.labels.get(label) for node in self.nodes]))
        mask: Mask = coded.codes == coded.code_of(value)
        return mask

    def offers(self, provider: str) -> Mask:
        """Nodes that offer the provider."""
        return self.remembered(
            "provider", provider, lambda: np.array([provider in node.providers for node in self.nodes], dtype=np.bool_)
        )

    def shape(self, request: Request) -> Shape:
        """What the request asks of a node, worked out once for all that ask the same."""
        return self.remembered("shape", Shape.key(request), lambda: Shape(request))

    def remembered(self, kind: str, key: Hashable, make: Callable[[], T], at_most: int = 4096) -> T:
        """What was made for the key, made now if need be; of each kind the newest ``at_most`` are kept."""
        kept = self._remembered.setdefault(kind, {})
        found: T | None = kept.get(key)
        if found is None:
            while len(kept) >= at_most:
                del kept[next(iter(kept))]
            found = kept[key] = make()
        return found

    def standing(self, service: str) -> dict[int, int]:
        """Number of each node on which resources of the service stand, and how many; not to be changed."""
        return self._standing.setdefault(service, {})

    def on_nodes(self, service: str) -> Ints:
        """How many resources of the service stand on each node."""
        counts = np.zeros(len(self.nodes), dtype=np.int64)
        for number, count in self._standing.get(service, {}).items():
            counts[number] = count
        return counts

    def services(self) -> Iterable[tuple[str, Mapping[int, int]]]:
        """Each service that stands somewhere, with ``standing`` of it, in order of names."""
        return ((name, counts) for name, counts in sorted(self._standing.items()) if counts)

    def count(self, service: str, node: str, by: int) -> None:
        """Count a resource of the service on the node in (``by`` 1) or out (-1)."""
        number = self.index.get(node)
        if number is not None:
            counts = self._standing.setdefault(service, {})
            counts[number] = counts.get(number, 0) + by
            if not counts[number]:
                del counts[number]

    def close(self, nodes: Iterable[str], why: str = "draining") -> None:
        """Nothing new comes to these nodes; ``why`` is the word for it in reasons."""
        self._set_closed(nodes, why)

    def reopen(self, nodes: Iterable[str]) -> None:
        """Undo ``close``: what the node's own facts say holds again."""
        for name in nodes:
            if name in self.index:
                self._set_closed((name,), _closed(self.nodes[self.index[name]]))

    def is_changed_by_hand(self, number: int) -> bool:
        """``close`` has changed what the node's own facts say."""
        return self.closed[number] != _closed(self.nodes[number])

    def _set_closed(self, nodes: Iterable[str], why: str) -> None:
        for name in nodes:
            number = self.index.get(name)
            if number is not None:
                self.closed[number] = why
                self.open[number] = why == OPEN
                self.note_change(number)

    def fit(self, shape: Shape) -> Fit:
        """How well the nodes are left by requests of the shape; the mix is what was taken when the epoch began."""
        if self._usual.any():
            return self.remembered("fit", self.epoch, lambda: Fit(self.total, self._usual), 1)
        return self.remembered("first fit", shape.need, lambda: Fit(self.total, shape.row), 16)

    def _taken(self) -> Ints:
        taken: Ints = (self.total - self.free).clip(min=0).sum(axis=0)
        return taken

    def take(self, node: str, share: Share) -> None:
        """Take a share of the node."""
        self._change(node, share, -1)

    def give_back(self, node: str, share: Share) -> None:
        """Give a share of the node back."""
        self._change(node, share, 1)

    def take_plain(self, number: int, shape: Shape) -> None:
        """Take ``shape.plain`` of a node that has room for it."""
        self.free[number] -= shape.row
        self.changes.append(number)

    def note_change(self, number: int) -> None:
        """What is remembered of the node is to be worked out again."""
        self.changes.append(number)

    def forget_changes(self) -> None:
        """Start the list of changes anew once it is longer than working everything out again."""
        if len(self.changes) > 1000 + len(self.nodes):
            self.start_anew()

    def start_anew(self) -> None:
        """Forget what was worked out of the counters: decide as a snapshot would that is made of them now."""
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
        self.note_change(number)


def _closed(node: NodeFacts) -> str:
    """Why the node takes nothing new, by what it is told to be."""
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
