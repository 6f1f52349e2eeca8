"""The share that one request takes of a node: a part, a whole NUMA cell, or the whole machine.

A ``Shape`` decides it. The functions with ``count`` in their name return how many requests of a shape nodes can
take: ``count_on`` for one node in plain Python, which a single decision needs, and ``count`` for many nodes in
arrays. Both follow the same rules:

- Part: the sizes fit into the free capacity of the node, and into its NUMA cells (``numa``).
- Cell: one NUMA cell of which nothing is taken, with its even share of the node's other capacity, or more where more
  is asked. On a node that has reported fewer than two cells, the whole machine.
- Machine: a node of which nothing is taken. The sizes are minimums; cpu time may come from shared or from
  pinned cpus.

Design: I3-I5
"""

from __future__ import annotations

import numpy as np

from controller.model.flavor import MachineShare
from controller.model.node import Share
from controller.schedule.inputs import CELL_DIMENSIONS, DIMENSIONS, Ints, Mask, Request, capacity_of
from controller.schedule.numa import ENDLESS
from controller.schedule.shapes import Shape, amounts
from controller.schedule.snapshot import Snapshot


def count_on(snapshot: Snapshot, number: int, shape: Shape) -> int:
    """Return how many requests of the shape the node can take."""
    if shape.is_part:
        free = snapshot.free[number].tolist()
        found = ENDLESS
        for column, amount in shape.needs:
            found = min(found, free[column] // amount)
        if found > 0 and snapshot.cells.counts[number] and shape.has_cells:
            found = min(found, snapshot.cells.count_on(number, shape.need))
        return max(found, 0)
    if shape.share is MachineShare.MACHINE or snapshot.cells.counts[number] < 2:
        return int(_takes_machine(snapshot, number, shape))
    return _count_cells(snapshot, number, shape)


def _takes_machine(snapshot: Snapshot, number: int, shape: Shape) -> bool:
    cells, rows = snapshot.cells, snapshot.cells.rows(number)
    total = snapshot.total[number].tolist()
    return (
        snapshot.free[number].tolist() == total
        and cells.free[rows.start : rows.stop].tolist() == cells.total[rows.start : rows.stop].tolist()
        and shape.is_within(total)
    )


def _count_cells(snapshot: Snapshot, number: int, shape: Shape) -> int:
    cells, rows = snapshot.cells, snapshot.cells.rows(number)
    free: list[int] = snapshot.free[number].tolist()
    total: list[int] = snapshot.total[number].tolist()
    even = [
        max(amount // len(rows), least)
        for amount, least in zip(total[CELL_DIMENSIONS:], shape.need[CELL_DIMENSIONS:], strict=True)
    ]
    in_cells: list[list[int]] = cells.total[rows.start : rows.stop].tolist()
    sizes = [[*own, *even] for own in in_cells]
    left_in: list[list[int]] = cells.free[rows.start : rows.stop].tolist()
    found = sum(
        left == own and shape.is_within(size) and all(a <= b for a, b in zip(size, free, strict=True))
        for left, own, size in zip(left_in, in_cells, sizes, strict=True)
    )
    smallest: list[int] = [min(column) for column in zip(*sizes, strict=True)]
    return min([found, *(left // size for left, size in zip(free, smallest, strict=True) if size > 0)])


def count(snapshot: Snapshot, numbers: Ints, shape: Shape) -> Ints:
    """Return how many requests of the shape each of the nodes can take."""
    free = snapshot.free[numbers]
    if shape.is_part:
        found = np.full(len(numbers), ENDLESS, dtype=np.int64)
        for column, amount in shape.needs:
            np.minimum(found, free[:, column] // amount, out=found)
        if snapshot.cells.any and shape.has_cells:
            np.minimum(found, snapshot.cells.count(numbers, shape.need), out=found)
        return found.clip(min=0)
    total = snapshot.total[numbers]
    whole = (is_empty(snapshot, numbers) & suffices(total, shape)).astype(np.int64)
    if shape.share is MachineShare.MACHINE or not snapshot.cells.any:
        return whole
    several = np.flatnonzero(snapshot.cells.several[numbers])
    if len(several):
        rows, starts, counts = snapshot.cells.spread(numbers[several])
        sizes = _cell_sizes(snapshot, np.repeat(numbers[several], counts), rows, np.repeat(counts, counts), shape)
        takes = snapshot.cells.untouched(rows) & suffices(sizes, shape)
        takes &= (sizes <= np.repeat(free[several], counts, axis=0)).all(axis=1)
        found = np.add.reduceat(takes.astype(np.int64), starts)
        lasting = (free[several] // np.maximum(np.minimum.reduceat(sizes, starts), 1)).min(
            axis=1, where=np.minimum.reduceat(sizes, starts) > 0, initial=ENDLESS
        )
        whole[several] = np.minimum(found, lasting)
    return whole


def share_of_node(snapshot: Snapshot, node: str, request: Request) -> Share | None:
    """Return the share that the request would take of the named node; None when there is no room."""
    number = snapshot.index.get(node)
    return None if number is None else share_on(snapshot, number, snapshot.shape(request))


def shortage(snapshot: Snapshot, node: str, request: Request) -> str:
    """Return what the node lacks for the request: ``vcpus 2 of 4, memory_mib 512 of 1024``."""
    number = snapshot.index.get(node)
    shape = snapshot.shape(request)
    if number is None:
        return amounts((0,) * len(DIMENSIONS), shape.need)
    if shape.is_part:
        free = snapshot.free[number].clip(min=0).tolist()
        return amounts(free, shape.need) or "its NUMA cells have too little, each by itself"
    return "the machine is not empty" if snapshot.cells.counts[number] < 2 else "no NUMA cell is wholly free"


def share_on(snapshot: Snapshot, number: int, shape: Shape) -> Share | None:
    """Return the share that a request of the shape takes of the node; None when there is no room."""
    if count_on(snapshot, number, shape) <= 0:
        return None
    return share_with_room(snapshot, number, shape)


def share_with_room(snapshot: Snapshot, number: int, shape: Shape) -> Share | None:
    """Return ``share_on`` for a node that is known to have room."""
    cells = snapshot.cells
    rows = cells.rows(number)
    if shape.is_part:
        return _part(snapshot, number, shape)
    if shape.share is MachineShare.MACHINE or len(rows) < 2:
        parts = {cells.numbers[row]: capacity_of(cells.total[row]) for row in rows} if len(rows) > 1 else {}
        cpus = tuple(cpu for row in rows for cpu in cells.cpus[row])
        return Share(capacity_of(snapshot.total[number]), parts, cpus)
    sizes = _cell_sizes(snapshot, np.full(len(rows), number), np.array(rows), np.full(len(rows), len(rows)), shape)
    takes = cells.untouched(rows) & suffices(sizes, shape) & (sizes <= snapshot.free[number]).all(axis=1)
    at = int(takes.argmax())
    row = rows[at]
    return Share(capacity_of(sizes[at]), {cells.numbers[row]: capacity_of(cells.total[row])}, tuple(cells.cpus[row]))


def is_empty(snapshot: Snapshot, numbers: Ints) -> Mask:
    """Return which of the nodes have nothing taken, in any cell."""
    empty: Mask = (snapshot.free[numbers] == snapshot.total[numbers]).all(axis=1)
    reported = np.flatnonzero(snapshot.cells.reported[numbers])
    if len(reported):
        rows, starts, _ = snapshot.cells.spread(numbers[reported])
        empty[reported] &= np.logical_and.reduceat(snapshot.cells.untouched(rows), starts)
    return empty


def largest_cell(snapshot: Snapshot, numbers: Ints, shape: Shape) -> Mask:
    """Return which of the nodes (each has several cells) have a cell as large as the sizes."""
    rows, starts, counts = snapshot.cells.spread(numbers)
    sizes = _cell_sizes(snapshot, np.repeat(numbers, counts), rows, np.repeat(counts, counts), shape)
    large: Mask = np.logical_or.reduceat(suffices(sizes, shape), starts)
    return large


def suffices(total: Ints, shape: Shape) -> Mask:
    """Return which totals (rows of DIMENSIONS) are as large as the sizes."""
    suffices: Mask = np.ones(len(total), dtype=np.bool_)
    for _, small in too_small(total, shape):
        suffices &= ~small
    return suffices


def too_small(total: Ints, shape: Shape) -> list[tuple[str, Mask]]:
    """Return each dimension with the totals that have too little of it, in the order of DIMENSIONS."""
    vcpus, pinned, *others = shape.need
    threads = (total[:, 0] + 100 * total[:, 1]) < vcpus + 100 * pinned
    small = [("vcpus" if vcpus or not pinned else "pinned_cpus", threads)]
    small += [(DIMENSIONS[at], total[:, at] < amount) for at, amount in enumerate(others, 2) if amount]
    return small


def _part(snapshot: Snapshot, number: int, shape: Shape) -> Share | None:
    cells = snapshot.cells
    if not cells.counts[number] or not shape.has_cells:
        return shape.plain
    parts = cells.choose(number, shape.need)
    if parts is None:
        return None
    cpus = tuple(cpu for row, amounts in parts for cpu in cells.cpus[row][: amounts[1]])
    if cells.counts[number] == 1:
        return Share(shape.size, {}, cpus) if cpus else shape.plain
    if len(parts) == 1:
        return Share(shape.size, {cells.numbers[parts[0][0]]: shape.in_cell}, cpus)
    return Share(shape.size, {cells.numbers[row]: capacity_of(amounts) for row, amounts in parts}, cpus)


def _cell_sizes(snapshot: Snapshot, numbers: Ints, rows: Ints, counts: Ints, shape: Shape) -> Ints:
    """Return what a whole cell takes of its node, a row for each cell."""
    sizes: Ints = np.maximum(snapshot.total[numbers] // counts[:, np.newaxis], shape.row)
    sizes[:, :CELL_DIMENSIONS] = snapshot.cells.total[rows]
    return sizes
