"""The NUMA cells of all nodes: the free capacity of each cell, and the cells that a request takes.

A request that fits into an empty cell is kept in one cell: the fullest that has room. A request that is larger than
every cell is spread evenly over all of them; its pinned cpus unevenly, where the free ones fit in no even split. Pinned
cpus are assigned by number, the lowest first. The share of a node
with one cell names no cell, but its pinned cpus are assigned by number too. On a node that has reported no cell,
pinned cpus are only counted.

The rows of all cells are in two arrays, those of one node next to each other. ``count_on`` (one node, plain Python) and
``count`` (many nodes, arrays) return the same.

Design: I3, I5
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

import numpy as np

from controller.model.node import Share
from controller.schedule.inputs import CELL_DIMENSIONS, Ints, Mask, NodeFacts, columns, matrix

ENDLESS = 1 << 30
"""How many resources fit where nothing that they take is limited."""
_UNLIMITED = 1 << 50
_PINNED = 1

Parts = list[tuple[int, tuple[int, ...]]]
"""(row of the cell, what is taken of it) for each cell."""


class Cells:
    """Free capacity and free pinned cpus of every cell."""

    def __init__(self, nodes: Sequence[NodeFacts]) -> None:
        self.counts = [len(node.cells) for node in nodes]
        """Number of cells that each node has reported."""
        self.any = any(self.counts)
        self._count: Ints = np.array(self.counts, dtype=np.int64)
        self._first: Ints = np.cumsum(self._count) - self._count
        self._firsts: list[int] = self._first.tolist()
        self.reported: Mask = self._count > 0
        self.several: Mask = self._count > 1
        reported = [cell for node in nodes for cell in sorted(node.cells, key=lambda cell: cell.number)]
        self.numbers = [cell.number for cell in reported]
        self.total = matrix(cell.total for cell in reported)[:, :CELL_DIMENSIONS].copy()
        self.free = self.total - matrix(cell.taken for cell in reported)[:, :CELL_DIMENSIONS]
        self.cpus = [sorted(cell.free_cpus) for cell in reported]
        self.pinned = [frozenset(cell.pinned_cpus or cell.free_cpus) for cell in reported]
        self.free[:, _PINNED] = np.minimum(self.free[:, _PINNED], [len(cpus) for cpus in self.cpus])
        alone = np.repeat(self._count == 1, self._count)
        for column in set(range(CELL_DIMENSIONS)) - {_PINNED}:
            self.total[alone, column] = self.free[alone, column] = _UNLIMITED  # the node's own row limits it

    def rows(self, number: int) -> range:
        """Return the rows of the node's cells."""
        first = self._firsts[number]
        return range(first, first + self.counts[number])

    def count_on(self, number: int, need: Sequence[int]) -> int:
        """Return how many resources of that need the node's cells can take."""
        rows = self.rows(number)
        needs = [(column, need[column]) for column in range(CELL_DIMENSIONS) if need[column]]
        if not rows or not needs:
            return ENDLESS
        totals: list[list[int]] = self.total[rows.start : rows.stop].tolist()
        frees: list[list[int]] = self.free[rows.start : rows.stop].tolist()
        if _fits_one(totals, needs):
            return sum(max(0, min(free[column] // amount for column, amount in needs)) for free in frees)
        parts = [(column, -(-amount // len(rows))) for column, amount in needs if column != _PINNED]
        found = min((free[column] // amount for free in frees for column, amount in parts), default=ENDLESS)
        if need[_PINNED]:
            found = min(found, sum(max(0, free[_PINNED]) for free in frees) // need[_PINNED])
        return max(0, found)

    def count(self, numbers: Ints, need: Sequence[int]) -> Ints:
        """Return how many resources of that need the cells of each of those nodes can take."""
        found = np.full(len(numbers), ENDLESS, dtype=np.int64)
        needs = [(column, need[column]) for column in range(CELL_DIMENSIONS) if need[column]]
        reported = np.flatnonzero(self._count[numbers] > 0)
        if not self.any or not needs or not len(reported):
            return found
        rows, starts, counts = self.spread(numbers[reported])
        inside = np.full(len(rows), ENDLESS, dtype=np.int64)
        across = inside.copy()
        large_enough = np.ones(len(rows), dtype=np.bool_)
        for column, amount in needs:
            free = self.free[rows, column]
            large_enough &= self.total[rows, column] >= amount
            np.minimum(inside, free // amount, out=inside)
            if column == _PINNED:
                of_node = np.add.reduceat(free.clip(min=0), starts) // amount
                np.minimum(across, np.repeat(of_node, counts), out=across)
            else:
                np.minimum(across, free // -(-amount // np.repeat(counts, counts)), out=across)
        one = np.logical_or.reduceat(large_enough, starts)
        found[reported] = np.where(
            one,
            np.add.reduceat(inside.clip(min=0), starts),
            np.minimum.reduceat(across, starts).clip(min=0),
        )
        return found

    def spread(self, numbers: Ints) -> tuple[Ints, Ints, Ints]:
        """Return the rows of the cells of those nodes (each has some), where each node's begin, and their number."""
        counts = self._count[numbers]
        starts = np.cumsum(counts) - counts
        rows = np.repeat(self._first[numbers] - starts, counts) + np.arange(int(counts.sum()))
        return rows, starts, counts

    def untouched(self, rows: Ints | range) -> Mask:
        """Return which of those cells have nothing taken."""
        whole: Mask = (self.free[rows] == self.total[rows]).all(axis=1)
        return whole

    def choose(self, number: int, need: Sequence[int]) -> Parts | None:
        """Return what a part of a node takes of which cells; None when they have no room."""
        rows = self.rows(number)
        needs = [(column, need[column]) for column in range(CELL_DIMENSIONS) if need[column]]
        if not rows or not needs:
            return []
        totals = self.total[rows.start : rows.stop].tolist()
        frees = self.free[rows.start : rows.stop].tolist()
        if not _fits_one(totals, needs):
            return self._over_all(rows, frees, need)
        best: tuple[int, int] | None = None
        for row, total, free in zip(rows, totals, frees, strict=True):
            if all(free[column] >= amount for column, amount in needs):
                left = sum((free[column] << 20) // total[column] for column, _ in needs)
                best = min(best or (left, row), (left, row))
        return None if best is None else [(best[1], tuple(need[:CELL_DIMENSIONS]))]

    def _over_all(self, rows: range, frees: list[list[int]], need: Sequence[int]) -> Parts | None:
        even = [-(-amount // len(rows)) for amount in need[:CELL_DIMENSIONS]]
        others = [(column, amount) for column, amount in enumerate(even) if amount and column != _PINNED]
        pinned = _pinned_parts([free[_PINNED] for free in frees], need[_PINNED])
        if pinned is None or any(free[column] < amount for free in frees for column, amount in others):
            return None
        return [
            (row, tuple(cpus if column == _PINNED else amount for column, amount in enumerate(even)))
            for row, cpus in zip(rows, pinned, strict=True)
        ]

    def change(self, number: int, share: Share, sign: int) -> None:
        """Take a share of the node's cells (``sign`` -1), or return it (1)."""
        rows = self.rows(number)
        if not rows:
            return
        if len(rows) == 1:
            self.free[rows.start, _PINNED] += sign * len(share.cpus)
        for row in rows if share.cells else ():
            part = share.cells.get(self.numbers[row])
            if part is not None and len(rows) > 1:
                self.free[row] += sign * np.array(columns(part)[:CELL_DIMENSIONS], dtype=np.int64)
        for cpu in share.cpus:
            self._change_cpu(rows, share, cpu, sign)

    def _change_cpu(self, rows: range, share: Share, cpu: int, sign: int) -> None:
        for row in rows:
            if sign < 0 and cpu in self.cpus[row]:
                self.cpus[row].remove(cpu)
                return
            if sign > 0 and cpu in self.pinned[row]:
                if cpu not in self.cpus[row]:
                    insort(self.cpus[row], cpu)
                return
        mine = [row for row in rows if self.numbers[row] in share.cells] or rows
        # Its cell is not reported, but only one cell is possible. Where cpus are reported, the cpu no longer exists.
        if sign > 0 and len(mine) == 1 and not self.pinned[mine[0]]:
            insort(self.cpus[mine[0]], cpu)


def _fits_one(totals: list[list[int]], needs: list[tuple[int, int]]) -> bool:
    return any(all(total[column] >= amount for column, amount in needs) for total in totals)


def _pinned_parts(free: Sequence[int], wanted: int) -> list[int] | None:
    """Return how many pinned cpus to take of each cell, as evenly as the free ones allow; None: too few are free."""
    if sum(max(0, each) for each in free) < wanted:
        return None
    parts = [0] * len(free)
    for _ in range(wanted):
        parts[min((at for at in range(len(free)) if parts[at] < free[at]), key=lambda at: parts[at])] += 1
    return parts
