"""The linear-programming bound of packing: how much of a stream of requests could fit, if requests could be cut.

With nodes alike in groups, one variable for each flavor and group says how many of the flavor the group takes;
no dimension of a group may be exceeded. Solved by GLOP of OR-tools. No placement of whole requests can do
better, and since the bound lets one request stand on many nodes, an exact one will often do worse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ortools.linear_solver.python import model_builder

from controller.model.node import Capacity
from controller.schedule import NodeFacts
from controller.schedule.inputs import DIMENSIONS, columns


def longest_prefix(nodes: Sequence[NodeFacts], stream: Sequence[Capacity]) -> int:
    """Length of the longest beginning of the stream that the empty nodes could take."""
    groups = Counter(columns(node.total) for node in nodes)
    fits, too_long = 0, len(stream) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if _feasible(groups, Counter(columns(need) for need in stream[:middle])):
            fits = middle
        else:
            too_long = middle
    return fits


def _feasible(groups: Counter[tuple[int, ...]], asked: Counter[tuple[int, ...]]) -> bool:
    model: Any = model_builder.Model()  # type: ignore[no-untyped-call]
    taken = [[model.new_num_var(0, count, "") for _ in groups] for count in asked.values()]
    for each, count in zip(taken, asked.values(), strict=True):
        model.add(sum(each) == count)
    for at, (total, count) in enumerate(groups.items()):
        for dimension in range(len(DIMENSIONS)):
            used = [need[dimension] * each[at] for need, each in zip(asked, taken, strict=True) if need[dimension]]
            if used:
                model.add(sum(used) <= total[dimension] * count)
    return bool(model_builder.Solver("GLOP").solve(model) == model_builder.SolveStatus.OPTIMAL)
