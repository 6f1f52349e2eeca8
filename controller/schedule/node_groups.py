"""Groups of nodes that all rules see as the same: one for each combination of domains.

The rules of a policy tell nodes apart by their domains only, so preferences are worked out for
about a hundred groups in place of thousands of nodes. A ``Layout`` belongs to a set of axes and
never changes; arrays "in the order of the layout" have the nodes of a group together, by name.
Groups stand in the order of their first node, so that ties go to the lowest name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from controller.schedule.inputs import Ints


@dataclass(frozen=True, slots=True)
class Domains:
    """The domains of one axis: ``codes[i]`` is the domain of node ``i``, -1 where it has none."""

    codes: Ints
    names: tuple[str, ...]

    def code_of(self, name: str) -> int:
        """Number of the domain; -2, which no node has, for one that is unknown."""
        return self.names.index(name) if name in self.names else -2


def join(codes: list[Ints], length: int) -> Ints:
    """One number for each combination of domains."""
    key = np.zeros(length, dtype=np.int64)
    for each in codes:
        size = int(each.max(initial=-1)) + 2
        if int(key.max(initial=0)) >= (1 << 62) // size:
            key = np.unique(key, return_inverse=True)[1].reshape(-1).astype(np.int64)
        key = key * size + each + 1
    return key


class Layout:
    """The groups of one set of axes. Needs at least one node."""

    def __init__(self, domains: Mapping[str, Domains], length: int) -> None:
        key = join([each.codes for each in domains.values()], length)
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        self.groups = len(first)
        self.group_of: Ints = rank[inverse.reshape(-1)]
        """Node to group."""
        self.order: Ints = np.argsort(self.group_of, kind="stable").astype(np.int64)
        """Place in the order of the layout to node."""
        self.place_of: Ints = np.empty(length, dtype=np.int64)
        self.place_of[self.order] = np.arange(length)
        sizes = np.bincount(self.group_of, minlength=self.groups)
        ends = np.cumsum(sizes)
        self.starts: Ints = ends - sizes
        self.slices = [slice(start, end) for start, end in zip(self.starts.tolist(), ends.tolist(), strict=True)]
        """Places of each group."""
        self.nodes: list[int] = self.order.tolist()
        firsts = self.order[self.starts]
        self.codes: dict[str, Ints] = {axis: each.codes[firsts] for axis, each in domains.items()}
        """Axis to the domain of each group."""
