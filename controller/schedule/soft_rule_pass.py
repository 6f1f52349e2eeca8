"""The last step of the second pass over a batch: soft rules and spread for what the search has moved.

The search considers hard rules and room only. ``improve_service`` places all that the batch has placed of one
service again in the order of its index, while everything else keeps its node: every prefix is as even as the room
allows. Where that would place fewer, and for services without soft rules, ``improve_single`` places the moved resources
again one by one, and distributes the nodes of the service among its interchangeable resources, so that every prefix of
their index order is as balanced as those nodes allow.

Never places fewer than before, and breaks no hard rule.

Design: J8, K3
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from controller.model.node import Share
from controller.schedule import shares
from controller.schedule.alike import place_alike, search_for, take_back
from controller.schedule.results import Placed
from controller.schedule.snapshot import Snapshot
from controller.schedule.solution import Item, Kind, Solution


def improve_service(solution: Solution, items: Sequence[Item], moved: Iterable[Item]) -> None:
    """Place the service's resources by the soft rules; ``moved`` are those that the search has moved."""
    if not _place_service_again(solution, items):
        improve_single(solution, items, moved)


def has_soft_rules(items: Sequence[Item]) -> bool:
    """Return whether the service has soft rules, and not just what is spread over without a rule."""
    return any(field.named for item in items for field in item.kind.rules.fields)


def improve_single(solution: Solution, items: Sequence[Item], moved: Iterable[Item]) -> None:
    """Place each of the moved resources again, and the service's nodes on its indices: cheaper, and less even."""
    for item in moved:
        if item.number >= 0:
            _place_again(solution, item)
    _reassign_indices(solution, items)


def _place_service_again(solution: Solution, items: Sequence[Item]) -> bool:
    """Place as many of each kind again, the first of its indices; return False, and change nothing, where fewer fit."""
    before = [(item, item.number, item.share) for item in items if item.number >= 0]
    left: dict[Kind, int] = {}
    for item, _, _ in before:
        left[item.kind] = left.get(item.kind, 0) + 1
        solution.remove(item)
    chosen = []
    for item in items:
        if left.get(item.kind):
            left[item.kind] -= 1
            chosen.append(item)
    found: list[Placed] = []
    for _, run in groupby(chosen, key=lambda item: item.kind):
        found += place_alike(solution.snapshot, [item.request for item in run])[0]
    take_back(solution.snapshot, found)
    if len(found) < len(chosen):
        for item, number, share in before:
            solution.put(item, number, share)
        return False
    for item, placed in zip(chosen, found, strict=True):
        solution.put(item, solution.snapshot.index[placed.node], placed.share)
    return True


def _place_again(solution: Solution, item: Item) -> None:
    """Place one resource again by the soft rules and the spread; everything else keeps its node."""
    number, share = item.number, item.share
    solution.remove(item)
    search = search_for(solution.snapshot, item.request, 1)
    found = search.choose()
    if found is None:  # hard affinity may prefer another domain; its old node is allowed
        solution.put(item, number, share)
        return
    at = search.rules.node_groups.nodes[found[1]]
    fresh = shares.share_on(solution.snapshot, at, item.kind.shape)
    solution.put(item, *((at, fresh) if fresh is not None else (number, share)))


def _reassign_indices(solution: Solution, items: Sequence[Item]) -> None:
    """Assign the service's nodes to its indices again: among interchangeable ones, the most balanced first."""
    service, snapshot = items[0].request.service, solution.snapshot
    places: dict[Kind, list[tuple[int, Share]]] = {}
    for item in items:
        if item.number >= 0:
            places.setdefault(item.kind, []).append((item.number, item.share))
            solution.remove(item)
    taken: list[tuple[Item, int, Share]] = []
    for item in items:
        left = places.get(item.kind)
        if not left:
            continue
        at = _most_balanced(snapshot, item, [number for number, _ in left])
        number, share = left.pop(at)
        snapshot.count(service, snapshot.nodes[number].name, 1)
        taken.append((item, number, share))
    for item, number, share in taken:
        snapshot.count(service, snapshot.nodes[number].name, -1)
        solution.put(item, number, share)


def _most_balanced(snapshot: Snapshot, item: Item, numbers: list[int]) -> int:
    """Return which of the nodes the soft rules and the spread prefer, with what is assigned so far."""
    counts = snapshot.counts_by_node(item.request.service)
    rules, group_of = item.kind.rules, item.kind.rules.node_groups.group_of
    costs = []
    for number in numbers:
        cost: list[int] = []
        for each in rules.fields:
            if each.codes is None:
                cost.append(counts.get(number, 0))
            elif each.first is not None:
                cost.append(int(each.first[group_of[number]]))
            else:
                code = each.codes[group_of[number]]
                here = sum(count for at, count in counts.items() if each.codes[group_of[at]] == code)
                cost += [int(each.named and code < 0), each.step * here]
        costs.append((cost, number))
    return min(range(len(numbers)), key=lambda at: costs[at])
