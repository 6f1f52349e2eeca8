"""Placing requests on nodes: rules first, then spread over domains, then best fit.

Requests are grouped by service and placed in order of their index, so that every prefix of the index order is balanced:
a scale-down removes the tail and leaves the rest balanced. A request that fits nowhere is refused with
counted reasons and delays no other.

Pure: no I/O, no clock, and the same input always gives the same result.

Design: J8, J10, K3
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.schedule import large_neighbourhood_search, reasons
from controller.schedule.alike import ChoiceObserver, alike, place_alike, search_for
from controller.schedule.inputs import Request
from controller.schedule.results import Placed, Refused
from controller.schedule.snapshot import Snapshot


def place(
    snapshot: Snapshot, requests: Iterable[Request], watcher: ChoiceObserver | None = None
) -> list[Placed | Refused]:
    """Place all requests and change the snapshot's counters; the results are in the order of placing."""
    ordered = sorted(requests, key=lambda request: (request.service, request.index, request.key))
    answers: list[Placed | Refused] = []
    start = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or not alike(ordered[start], ordered[end]):
            _place_alike(snapshot, ordered[start:end], answers, watcher)
            start = end
    return large_neighbourhood_search.improve(snapshot, answers)


def _place_alike(
    snapshot: Snapshot, requests: list[Request], answers: list[Placed | Refused], watcher: ChoiceObserver | None
) -> None:
    if not len(snapshot):
        answers.extend(Refused(request, {}) for request in requests)
        return
    placed, search = place_alike(snapshot, requests, watcher)
    answers.extend(placed)
    left = requests[len(placed) :]
    if left:
        why = reasons.explain(snapshot, left[0], search)
        answers.extend(Refused(request, why) for request in left)


def why_not(snapshot: Snapshot, request: Request, node: str) -> str:
    """Return why a refused request does not go to that node, in the words of the counted reasons."""
    return reasons.at(snapshot, request, search_for(snapshot, request, 1), node)
