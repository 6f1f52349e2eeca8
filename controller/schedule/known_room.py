"""The room that nodes are known to have, for the large neighbourhood search: it asks the same of the same nodes often.

A search changes a few nodes in each round, and tries many resources of few shapes. What ``shares`` counted of a node is
kept until the node changes (``Snapshot.changes``) or the snapshot's epoch ends. Few nodes are counted one by one, which
costs less than arrays do; many are counted in arrays and not kept.

Not promised: that a node is open, or allowed by a rule.

Design: J10
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from controller.schedule import shares
from controller.schedule.inputs import Ints
from controller.schedule.shapes import Shape
from controller.schedule.snapshot import Snapshot

_FEW = 48


class KnownRoom:
    """How many requests of each shape the nodes of a snapshot can take, counted once until they change."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._epoch = snapshot.epoch
        self._seen = len(snapshot.changes)
        self._counts: defaultdict[int, dict[Shape, int]] = defaultdict(dict)

    def counts(self, nodes: Ints, shape: Shape) -> Ints:
        """Return how many requests of the shape each of the nodes can take."""
        if len(nodes) > _FEW:
            return shares.count(self._snapshot, nodes, shape)
        return np.array(self._kept(nodes.tolist(), shape), dtype=np.int64)

    def with_room(self, nodes: Ints, shape: Shape) -> Ints:
        """Return the nodes that can take a request of the shape."""
        if len(nodes) > _FEW and shape.is_part:
            # Few nodes are left by this one comparison: the cells of the others are not counted.
            nodes = nodes[(self._snapshot.free[nodes] >= shape.row).all(axis=1)]
            if not (self._snapshot.cells.any and shape.has_cells):
                return nodes
        return nodes[self.counts(nodes, shape) > 0]

    def _kept(self, numbers: list[int], shape: Shape) -> list[int]:
        self._forget_changed()
        found = []
        for number in numbers:
            kept = self._counts[number]
            count = kept.get(shape)
            if count is None:
                count = kept[shape] = shares.count_on(self._snapshot, number, shape)
            found.append(count)
        return found

    def _forget_changed(self) -> None:
        snapshot = self._snapshot
        if self._epoch != snapshot.epoch:
            self._counts.clear()
            self._epoch, self._seen = snapshot.epoch, 0
        if self._seen < len(snapshot.changes):
            for number in snapshot.changes[self._seen :]:
                self._counts[number].clear()
            self._seen = len(snapshot.changes)
