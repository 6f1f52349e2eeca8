"""How many requests of one shape each node takes, kept right from one decision to the next.

Made once for each shape, provider, filters and layout; after that only the nodes that changed since
are looked at again, however many nodes there are. ``score`` orders the nodes of a group by their
cost (``fit``), lowest first; CLOSED when there is no room. A search may write into ``score`` and
``slots`` what holds for its service only, and names those places in ``borrowed``, so that they are
put right for the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from controller.schedule import shares
from controller.schedule.inputs import Ints, Mask
from controller.schedule.node_groups import Layout
from controller.schedule.shapes import Shape

if TYPE_CHECKING:
    from controller.schedule.snapshot import Snapshot

CLOSED = 1 << 61
"""Score of a node that cannot be taken: scores from here on are none."""


class Openings:
    """Arrays in the order of a layout."""

    def __init__(self, snapshot: Snapshot, layout: Layout, shape: Shape, usable: Mask | None) -> None:
        """``usable`` are the nodes that offer the provider and pass the filters; None: all."""
        self._snapshot = snapshot
        self._layout = layout
        self._usable = usable
        self.shape = shape
        self.fit = snapshot.fit(shape)
        self.borrowed: list[int] = []
        self._epoch = -1
        self._seen = 0
        self.slots: Ints
        self.score: Ints
        self.best: Ints
        """The lowest score of each group, as of the last ``refresh``."""

    def refresh(self) -> None:
        """Look at what has changed since."""
        snapshot, layout = self._snapshot, self._layout
        snapshot.forget_changes()
        changed = set(snapshot.changes[self._seen :] if self._seen else snapshot.changes)
        if self._epoch != snapshot.epoch or 4 * len(changed) > len(snapshot):
            numbers = layout.order
            self.fit = snapshot.fit(self.shape)
            self.slots, self.score = self._count(numbers)
            self.best = np.minimum.reduceat(self.score, layout.starts)
        elif changed or self.borrowed:
            changed.update(self.borrowed)
            numbers = np.array(list(changed), dtype=np.int64)
            places = layout.place_of[numbers]
            self.slots[places], self.score[places] = self._count(numbers)
            self._look_again(layout.group_of[numbers])
        self.borrowed.clear()
        self._epoch, self._seen = snapshot.epoch, len(snapshot.changes)

    def by_group(self) -> tuple[Ints, Ints]:
        """How many requests each group takes, and how many of its nodes take some."""
        starts = self._layout.starts
        return np.add.reduceat(self.slots, starts), np.add.reduceat((self.slots > 0).astype(np.int64), starts)

    def _count(self, numbers: Ints) -> tuple[Ints, Ints]:
        snapshot = self._snapshot
        slots = shares.count(snapshot, numbers, self.shape)
        slots[~snapshot.open[numbers]] = 0
        if self._usable is not None:
            slots[~self._usable[numbers]] = 0
        costs = self.fit.costs(numbers, snapshot.free[numbers] - self.shape.row)
        return slots, np.where(slots > 0, costs, CLOSED)

    def _look_again(self, groups: Ints) -> None:
        """Find the best of the groups anew: one by one while they are few."""
        layout = self._layout
        few = set(groups.tolist())
        if 16 * len(few) > layout.groups + len(self.score) // 100:
            np.minimum.reduceat(self.score, layout.starts, out=self.best)
            return
        for group in few:
            self.best[group] = self.score[layout.slices[group]].min()
