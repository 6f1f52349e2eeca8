"""Placing requests on nodes: rules first, then spread over domains, then best fit (J8, J10).

Requests are grouped by service and placed in order of their index, so that every prefix of the
index order is balanced: a scale-down takes the tail and leaves the rest balanced (K3). A request
that fits nowhere is answered with counted reasons and holds up nobody.

Pure: no I/O, no clock, and the same input always gives the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from controller.schedule import large_neighbourhood_search, reasons
from controller.schedule.inputs import Request
from controller.schedule.node_slots import Openings
from controller.schedule.results import Placed, Refused
from controller.schedule.rules import Rules
from controller.schedule.search import Search
from controller.schedule.snapshot import Snapshot

Watcher = Callable[[Request, Search, int], None]
"""Is told of each choice before it is taken: the request, the search, and the node's place in the layout."""
_OPENINGS = 20_000_000
"""Numbers kept for later decisions."""


def place(snapshot: Snapshot, requests: Iterable[Request], watcher: Watcher | None = None) -> list[Placed | Refused]:
    """Place all requests, changing the snapshot's counters; answers come in the order of placing."""
    ordered = sorted(requests, key=lambda request: (request.service, request.index, request.key))
    answers: list[Placed | Refused] = []
    start = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or not _alike(ordered[start], ordered[end]):
            _place_alike(snapshot, ordered[start:end], answers, watcher)
            start = end
    return large_neighbourhood_search.improve(snapshot, answers, search_for)


def _alike(one: Request, other: Request) -> bool:
    """They differ in their index only."""
    return (
        one.service == other.service
        and (one.need is other.need or one.need == other.need)
        and one.machine_share is other.machine_share
        and one.provider == other.provider
        and (one.policy is other.policy or one.policy == other.policy)
        and one.avoid == other.avoid
    )


def _place_alike(
    snapshot: Snapshot, requests: list[Request], answers: list[Placed | Refused], watcher: Watcher | None
) -> None:
    """What one of them cannot get none after it can: room only shrinks and rules only tighten here."""
    if not len(snapshot):
        answers.extend(Refused(request, {}) for request in requests)
        return
    search = search_for(snapshot, requests[0], len(requests))
    for done, request in enumerate(requests):
        found = search.choose()
        if found is None:
            why = reasons.explain(snapshot, request, search)
            answers.extend(Refused(left, why) for left in requests[done:])
            return
        if watcher is not None:
            watcher(request, search, found[1])
        node, share = search.take(*found)
        answers.append(Placed(request, node, share))


def search_for(snapshot: Snapshot, request: Request, wanted: int) -> Search:
    """The search for so many requests like this one, with what is remembered of searches before."""
    policy = request.policy
    _, rules = snapshot.remembered("policy", id(policy), lambda: (policy, _rules(snapshot, request)))
    shape = snapshot.shape(request)
    layout, usable = rules.layout, rules.usable
    filters = (policy.node_filters, tuple(policy.node_label_filters.items())) if usable is not None else None
    key = (id(layout), shape.need, shape.share, request.provider, filters)

    def make() -> Openings:
        mask = usable
        if request.provider:
            offers = snapshot.offers(request.provider)
            mask = offers if mask is None else mask & offers
        return Openings(snapshot, layout, shape, mask)

    openings = snapshot.remembered("openings", key, make, max(8, _OPENINGS // len(snapshot) // 3))
    return Search(snapshot, rules, openings, request.service, request.avoid, wanted)


def why_not(snapshot: Snapshot, request: Request, node: str) -> str:
    """Why a request that was refused does not go to that node, in the words of the counted reasons."""
    return reasons.at(snapshot, request, search_for(snapshot, request, 1), node)


def _rules(snapshot: Snapshot, request: Request) -> Rules:
    policy = request.policy
    return snapshot.remembered("rules", Rules.key(policy), lambda: Rules(snapshot, policy))
