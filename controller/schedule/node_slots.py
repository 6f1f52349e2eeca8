"""The number of requests of one shape that each node can take, kept correct from one decision to the next.

Built once for each shape, provider, filters and node groups. After that only the nodes that have changed are counted
again, however many nodes there are. ``score`` orders the nodes of a group by their cost (``best_fit``), lowest first;
CLOSED where there is no room. A search may write values into ``score`` and ``slots`` that hold for its service only.
It adds those nodes to ``borrowed``, so that they are corrected for the next search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from controller.schedule import shares
from controller.schedule.inputs import Ints, Mask
from controller.schedule.node_groups import NodeGroups
from controller.schedule.shapes import Shape

if TYPE_CHECKING:
    from controller.schedule.snapshot import Snapshot

CLOSED = 1 << 61
"""Score of a node that cannot be taken. Every score from here on means the same."""


class NodeSlots:
    """Arrays in the order of the node groups."""

    def __init__(self, snapshot: Snapshot, node_groups: NodeGroups, shape: Shape, usable: Mask | None) -> None:
        """``usable`` are the nodes that offer the provider and pass the filters; None: all."""
        self._snapshot = snapshot
        self._node_groups = node_groups
        self._usable = usable
        self.shape = shape
        self.best_fit = snapshot.best_fit(shape)
        self.borrowed: list[int] = []
        self._epoch = -1
        self._seen = 0
        self.slots: Ints
        self.score: Ints
        self.best: Ints
        """The lowest score of each group, as of the last ``refresh``."""

    def refresh(self) -> None:
        """Count the nodes that have changed since the last refresh."""
        snapshot, node_groups = self._snapshot, self._node_groups
        snapshot.limit_changes()
        changed = set(snapshot.changes[self._seen :] if self._seen else snapshot.changes)
        if self._epoch != snapshot.epoch or 4 * len(changed) > len(snapshot):
            numbers = node_groups.order
            self.best_fit = snapshot.best_fit(self.shape)
            self.slots, self.score = self._count(numbers)
            self.best = np.minimum.reduceat(self.score, node_groups.starts)
        elif changed or self.borrowed:
            changed.update(self.borrowed)
            numbers = np.array(list(changed), dtype=np.int64)
            places = node_groups.position_of[numbers]
            self.slots[places], self.score[places] = self._count(numbers)
            self._refresh_best(node_groups.group_of[numbers])
        self.borrowed.clear()
        self._epoch, self._seen = snapshot.epoch, len(snapshot.changes)

    def by_group(self) -> tuple[Ints, Ints]:
        """Return how many requests each group can take, and how many of its nodes can take one."""
        starts = self._node_groups.starts
        return np.add.reduceat(self.slots, starts), np.add.reduceat((self.slots > 0).astype(np.int64), starts)

    def _count(self, numbers: Ints) -> tuple[Ints, Ints]:
        snapshot = self._snapshot
        snapshot.work.nodes_counted += len(numbers)
        slots = shares.count(snapshot, numbers, self.shape)
        slots[~snapshot.open[numbers]] = 0
        if self._usable is not None:
            slots[~self._usable[numbers]] = 0
        costs = self.best_fit.costs(numbers, snapshot.free[numbers] - self.shape.row)
        return slots, np.where(slots > 0, costs, CLOSED)

    def _refresh_best(self, groups: Ints) -> None:
        """Find the lowest score of the groups again: one by one while they are few."""
        node_groups = self._node_groups
        few = set(groups.tolist())
        if 16 * len(few) > node_groups.count + len(self.score) // 100:
            np.minimum.reduceat(self.score, node_groups.starts, out=self.best)
            return
        for group in few:
            self.best[group] = self.score[node_groups.slices[group]].min()
