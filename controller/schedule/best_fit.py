"""Best fit: the cost of a node, by how well its remaining capacity can still be used.

What remains of a node is useful as far as the usual mix goes: what the resources of the cluster take together,
dimension by dimension (``usual``). The mix fills the node until one dimension is used up. What then remains in the
other dimensions is stranded. The cost of a node is the part of the mix that would still fit, plus ``_STRANDED`` times
the sum of the squares of the stranded parts, all as parts of the node and after the placement. The lowest cost wins.
So nodes are filled one after the other, and a resource goes where it evens out what others left. Where nothing is
taken yet, the request itself is the mix. ``benchmarks.packing`` measures the effect.

Dimensions that the mix does not take, or that the node does not have, are ignored.

Design: J8, J10
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from controller.schedule.inputs import Ints

_STRANDED = 32
WHOLE = 1 << 25
"""Cost of a node that can take the whole mix, with nothing stranded."""
_DONE = 1e9
"""The amount of a dimension that is never used up."""

FIT_BITS = 34
"""Bits of a cost: 1 + ``_STRANDED`` for each of eight dimensions, times ``WHOLE``."""


class BestFit:
    """The costs of nodes for one mix."""

    def __init__(self, total: Ints, usual: Ints) -> None:
        """``total``: a row for each node; ``usual``: what the mix takes of each dimension."""
        self._columns = np.flatnonzero(usual > 0)
        self._each: list[int] = self._columns.tolist()
        total, usual = total[:, self._columns], usual[self._columns]
        counted = total > 0
        whole = np.maximum(total, 1).astype(np.float64)
        mix = np.where(counted, usual / whole, 0.0)
        mix /= np.maximum(mix.max(axis=1, initial=0.0), 1e-300)[:, np.newaxis]
        self._part: NDArray[np.float64] = np.where(counted, 1 / whole, 0.0)
        """One unit of each dimension of the mix as part of the node."""
        self._mix: NDArray[np.float64] = mix
        """What the mix takes of the node, the largest part being 1."""
        self._times: NDArray[np.float64] = np.where(counted, 1 / np.where(counted, mix, 1.0), 0.0)
        self._never: NDArray[np.float64] = np.where(counted, 0.0, _DONE)

    def costs(self, numbers: Ints, left: Ints) -> Ints:
        """Return the cost of each of the nodes, when ``left`` (a row for each) would be free of it."""
        usable, stranded = self._measures(numbers, left)
        cost: Ints = ((usable + _STRANDED * stranded) * WHOLE).astype(np.int64)
        return cost

    def cost(self, number: int, free: Sequence[int], need: Sequence[int]) -> int:
        """Return the cost of one node after ``need`` is taken, in plain Python: for a single decision."""
        mix = self._mix[number].tolist()
        left = [(free[at] - need[at]) * part for at, part in zip(self._each, self._part[number].tolist(), strict=True)]
        usable = 1.0
        for amount, share in zip(left, mix, strict=True):
            if share and amount < usable * share:
                usable = amount / share if amount > 0 else 0.0
        stranded = 0.0
        for amount, share in zip(left, mix, strict=True):
            over = amount - usable * share
            if over > 0:
                stranded += over * over
        return int((usable + _STRANDED * stranded) * WHOLE)

    def percent(self, numbers: Ints, left: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the mix could still take of each node, and what would be stranded, in percent of the node."""
        usable, stranded = self._measures(numbers, left)
        return 100 * usable, 100 * np.sqrt(stranded)

    def _measures(self, numbers: Ints, left: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        free = left[:, self._columns].clip(min=0) * self._part[numbers]
        usable = (free * self._times[numbers] + self._never[numbers]).min(axis=1, initial=1.0)
        over = free - usable[:, np.newaxis] * self._mix[numbers]
        return usable, (over * over).sum(axis=1)
