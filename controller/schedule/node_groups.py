"""Groups of nodes that are equal for all rules of a policy: one for each combination of domains.

Rules distinguish nodes by their domains only, so preferences are computed for about a hundred groups in place of
thousands of nodes. ``NodeGroups`` belongs to a set of axes and never changes. Arrays "in the order of the node groups"
hold the nodes of a group next to each other, by name. Groups are in the order of their first node, so that the
lowest name wins a tie.
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
        """Return the number of the domain; for an unknown one -2, which no node has."""
        return self.names.index(name) if name in self.names else -2


def join(codes: list[Ints], length: int) -> Ints:
    """Return one number for each combination of domains."""
    key = np.zeros(length, dtype=np.int64)
    for each in codes:
        size = int(each.max(initial=-1)) + 2
        if int(key.max(initial=0)) >= (1 << 62) // size:
            key = np.unique(key, return_inverse=True)[1].reshape(-1).astype(np.int64)
        key = key * size + each + 1
    return key


class NodeGroups:
    """The groups of one set of axes. Needs at least one node."""

    def __init__(self, domains: Mapping[str, Domains], length: int) -> None:
        key = join([each.codes for each in domains.values()], length)
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        self.count = len(first)
        """Number of groups."""
        self.group_of: Ints = rank[inverse.reshape(-1)]
        """Node to group."""
        self.order: Ints = np.argsort(self.group_of, kind="stable").astype(np.int64)
        """Position in the order of the node groups to node."""
        self.position_of: Ints = np.empty(length, dtype=np.int64)
        self.position_of[self.order] = np.arange(length)
        sizes = np.bincount(self.group_of, minlength=self.count)
        ends = np.cumsum(sizes)
        self.starts: Ints = ends - sizes
        self.slices = [slice(start, end) for start, end in zip(self.starts.tolist(), ends.tolist(), strict=True)]
        """Positions of each group."""
        self.nodes: list[int] = self.order.tolist()
        firsts = self.order[self.starts]
        self.codes: dict[str, Ints] = {axis: each.codes[firsts] for axis, each in domains.items()}
        """Axis to the domain of each group."""
