"""What a request asks of any node, worked out once for all requests that are alike; and amounts as text."""

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
        """What a part takes of a node without cells."""
        self.in_cell = capacity_of(self.need[:CELL_DIMENSIONS])

    @staticmethod
    def key(request: Request) -> tuple[tuple[int, ...], MachineShare]:
        """Requests with the same key have the same shape."""
        return columns(request.need), request.machine_share


def amounts(row: Sequence[int] | Ints, need: Sequence[int]) -> str:
    """What is short: ``vcpus 2 of 4, memory_mib 512 of 1024``."""
    short = [at for at in range(len(DIMENSIONS)) if row[at] < need[at]]
    return ", ".join(f"{DIMENSIONS[at]} {_shown(at, row[at])} of {_shown(at, need[at])}" for at in short)


def _shown(column: int, amount: int) -> str:
    return f"{amount / 100:g}" if column == 0 else f"{amount:g}"
