"""The last step of a second look: what was moved is put right by the soft rules and the spread (J8, K3).

The search that moved it looked at hard rules and room only. ``settle`` places a resource once more with everything
else where it is; ``hand_out`` gives the nodes of a service to its interchangeable resources anew, so that every
prefix of their index order is as balanced as those nodes allow.

Never places fewer than before, and breaks no hard rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller.model.node import Share
from controller.schedule import shares
from controller.schedule.inputs import Request
from controller.schedule.search import Search
from controller.schedule.snapshot import Snapshot
from controller.schedule.solution import Item, Kind, Solution

SearchFor = Callable[[Snapshot, Request, int], Search]


def settle(solution: Solution, item: Item, search_for: SearchFor) -> None:
    """Once more, by the soft rules and the spread, with everything else where it is."""
    number, share = item.number, item.share
    solution.take_off(item)
    search = search_for(solution.snapshot, item.request, 1)
    found = search.choose()
    if found is None:  # hard affinity may prefer another domain; the place it had is allowed
        solution.put(item, number, share)
        return
    at = search.rules.layout.nodes[found[1]]
    fresh = shares.share_on(solution.snapshot, at, item.kind.shape)
    solution.put(item, *((at, fresh) if fresh is not None else (number, share)))


def hand_out(solution: Solution, items: Sequence[Item]) -> None:
    """Give the service's nodes to its indices anew: among interchangeable ones, the most balanced first."""
    service, snapshot = items[0].request.service, solution.snapshot
    places: dict[Kind, list[tuple[int, Share]]] = {}
    for item in items:
        if item.number >= 0:
            places.setdefault(item.kind, []).append((item.number, item.share))
            solution.take_off(item)
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
    """Which of the nodes the soft rules and the spread like best, with what has been handed out so far."""
    standing = snapshot.standing(item.request.service)
    rules, group_of = item.kind.rules, item.kind.rules.layout.group_of
    costs = []
    for number in numbers:
        cost: list[int] = []
        for each in rules.fields:
            if each.codes is None:
                cost.append(standing.get(number, 0))
            elif each.first is not None:
                cost.append(int(each.first[group_of[number]]))
            else:
                code = each.codes[group_of[number]]
                here = sum(count for at, count in standing.items() if each.codes[group_of[at]] == code)
                cost += [int(each.named and code < 0), each.step * here]
        costs.append((cost, number))
    return min(range(len(numbers)), key=lambda at: costs[at])
