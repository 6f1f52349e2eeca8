"""The reasons why nodes are not taken, counted, in words that a user can act on.

Each node is counted once, under the first reason that holds, in the order of the checks: the state of the node itself,
then the filters, then the sizes, then the rules.

Design: J8
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from controller.model.flavor import MachineShare
from controller.schedule import shares
from controller.schedule.inputs import CELL_DIMENSIONS, DIMENSIONS, Ints, Mask, Request
from controller.schedule.shapes import Shape

if TYPE_CHECKING:
    from controller.schedule.search import Search
    from controller.schedule.snapshot import Snapshot

_WORDS = {
    "vcpus": "few vcpus",
    "pinned_cpus": "few pinned cpus",
    "memory_mib": "little memory",
    "hugepages_mib": "few huge pages",
    "disk_gib": "little disk",
    "disk_iops": "little disk io",
    "disk_mibps": "little disk throughput",
    "network_mbps": "little network throughput",
}
_NOUNS = {"vcpus": "vcpus", "pinned_cpus": "pinned cpus", "memory_mib": "memory", "hugepages_mib": "huge pages"}


def explain(snapshot: Snapshot, request: Request, search: Search) -> dict[str, int]:
    """Return reason to number of nodes, over all nodes of the snapshot."""
    snapshot.work.explanations += 1
    counts: dict[str, int] = {}
    left: Mask = np.ones(len(snapshot), dtype=np.bool_)
    for why, mask in _checks(snapshot, request, search):
        hit = int((left & mask).sum())
        if hit:
            counts[why] = counts.get(why, 0) + hit
            left &= ~mask
        if hit and not left.any():
            break
    if left.any():
        counts["not taken"] = int(left.sum())
    return counts


def at(snapshot: Snapshot, request: Request, search: Search, node: str) -> str:
    """Return the first reason that holds for that node, which was not taken."""
    number = snapshot.index[node]
    return next((why for why, mask in _checks(snapshot, request, search) if mask[number]), "not taken")


def message(reasons: Mapping[str, int]) -> str:
    """``5,000 nodes: 4,210 too little memory, 700 rack already used, 90 cordoned``"""
    nodes = sum(reasons.values())
    if not nodes:
        return "the cluster has no nodes"
    parts = [f"{count:,} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]
    return f"{nodes:,} {'node' if nodes == 1 else 'nodes'}: {', '.join(parts)}"


def refusals(refused: Mapping[str, int], wanted: int) -> str:
    """Return the messages, each with its number of the ``wanted``: ``1 of 5: 8 nodes: 8 rack already used``.

    The nodes are counted for the refused ones, after the others are placed.
    """
    return "; ".join(why if count >= wanted else f"{count:,} of {wanted:,}: {why}" for why, count in refused.items())


def _checks(snapshot: Snapshot, request: Request, search: Search) -> Iterator[tuple[str, Mask]]:
    """Yield each reason with the nodes that it holds for."""
    for why in sorted(set(snapshot.closed)):
        if why:
            yield why, np.array([each == why for each in snapshot.closed], dtype=np.bool_)
    if request.provider:
        yield f"without provider {request.provider}", ~snapshot.offers(request.provider)
    if request.avoid:
        yield "excluded", _named(snapshot, request.avoid)
    policy = request.policy
    if policy.node_filters:
        yield "not in node_filters", ~_named(snapshot, policy.node_filters)
    for label, value in policy.node_label_filters.items():
        yield f"without label {label}={value}", ~snapshot.labelled(label, value)
    shape = snapshot.shape(request)
    yield from _of_part(snapshot, shape) if shape.is_part else _of_whole(snapshot, shape)
    yield from _of_rules(snapshot, search)


def _named(snapshot: Snapshot, names: frozenset[str] | tuple[str, ...]) -> Mask:
    mask: Mask = np.zeros(len(snapshot), dtype=np.bool_)
    mask[[snapshot.index[name] for name in names if name in snapshot.index]] = True
    return mask


def _of_part(snapshot: Snapshot, shape: Shape) -> Iterator[tuple[str, Mask]]:
    for column, amount in shape.needs:
        yield f"too {_WORDS[DIMENSIONS[column]]}", snapshot.free[:, column] < amount
    if not snapshot.cells.any or not shape.has_cells:
        return
    everywhere = np.arange(len(snapshot))
    for column in range(CELL_DIMENSIONS):
        if shape.need[column]:
            alone = tuple(amount if at == column else 0 for at, amount in enumerate(shape.need))
            short = snapshot.cells.count(everywhere, alone) == 0
            yield f"too {_WORDS[DIMENSIONS[column]]}", short & ~snapshot.cells.several
            yield f"no NUMA cell with enough {_NOUNS[DIMENSIONS[column]]}", short
    yield "no NUMA cell with enough of everything", snapshot.cells.count(everywhere, shape.need) == 0


def _of_whole(snapshot: Snapshot, shape: Shape) -> Iterator[tuple[str, Mask]]:
    everywhere = np.arange(len(snapshot))
    for name, small in shares.too_small(snapshot.total, shape):
        yield f"too {_WORDS[name]}", small
    none = shares.count(snapshot, everywhere, shape) == 0
    if shape.share is MachineShare.CELL and snapshot.cells.any:
        several = np.flatnonzero(snapshot.cells.several)
        if len(several):
            yield "NUMA cells too small", _of_several(several, shares.largest_cell(snapshot, several, shape), none)
        yield "no NUMA cell wholly free", none & snapshot.cells.several
    yield "not empty", none


def _of_several(several: Ints, suffices: Mask, none: Mask) -> Mask:
    mask: Mask = np.zeros(len(none), dtype=np.bool_)
    mask[several] = ~suffices
    return mask & none


def _of_rules(snapshot: Snapshot, search: Search) -> Iterator[tuple[str, Mask]]:
    """Yield each hard rule as a reason, with the nodes that it forbids."""
    rules, node_groups = search.rules, search.rules.node_groups
    counts = np.zeros(len(snapshot), dtype=np.int64)
    counts[list(search.counts_by_node)] = [max(count, 0) for count in search.counts_by_node.values()]
    for axis in rules.apart:
        codes = snapshot.domains(axis).codes
        used = np.bincount(codes + 1, weights=counts) > 0
        yield f"without {axis}", codes < 0
        yield f"{axis} already used", used[codes + 1]
    for rule in rules.together:
        domains = snapshot.domains(rule.axis)
        yield f"without {rule.axis}", domains.codes < 0
        if rule.value is not None:
            yield f"not in {rule.axis} {rule.value}", domains.codes != domains.code_of(rule.value)
    if search.chosen is not None and rules.joined is not None:
        axes = " and ".join(rule.axis for rule in rules.together)
        yield f"in another {axes} than the service", (rules.joined != search.chosen)[node_groups.group_of]
