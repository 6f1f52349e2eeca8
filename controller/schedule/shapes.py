"""The shape of a request: what it asks of any node, computed once for all that ask the same; amounts as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from controller.model.flavor import MachineShare
from controller.model.node import Share
from controller.schedule.inputs import CELL_DIMENSIONS, DIMENSIONS, Ints, Request, capacity_of, columns


class Shape:
    """What a request asks of a node."""

    def __init__(self, request: Request) -> None:
        self.size = request.need
        self.need = columns(request.need)
        self.share = request.machine_share
        self.row: Ints = np.array(self.need, dtype=np.int64)
        self.needs = [(column, amount) for column, amount in enumerate(self.need) if amount]
        self.is_part = self.share is MachineShare.PART
        self.has_cells = any(self.need[:CELL_DIMENSIONS])
        self.plain = Share(size=request.need)
        """The share of a node without NUMA cells."""
        self.in_cell = capacity_of(self.need[:CELL_DIMENSIONS])

    def is_within(self, total: Sequence[int]) -> bool:
        """Return whether a whole cell or machine of that size is as large as what was asked."""
        vcpus, pinned, *others = self.need
        if total[0] + 100 * total[1] < vcpus + 100 * pinned:
            return False
        return all(has >= amount for has, amount in zip(total[2:], others, strict=True))

    @staticmethod
    def key(request: Request) -> tuple[tuple[int, ...], MachineShare]:
        """Return the key of the request's shape: equal keys mean equal shapes."""
        return columns(request.need), request.machine_share


def amounts(row: Sequence[int] | Ints, need: Sequence[int]) -> str:
    """Return what is short as text: ``vcpus 2 of 4, memory_mib 512 of 1024``."""
    short = [at for at in range(len(DIMENSIONS)) if row[at] < need[at]]
    return ", ".join(f"{DIMENSIONS[at]} {_shown(at, row[at])} of {_shown(at, need[at])}" for at in short)


def _shown(column: int, amount: int) -> str:
    return f"{amount / 100:g}" if column == 0 else f"{amount:g}"
