"""Placing the requests of one service that differ in their index only, in the order of their index.

Every prefix is as even as the rules and the room allow, over every axis that soft rules spread over: where those axes
cross and choosing one node after another was not even, the batch is taken back and placed in the order that
``spread_plan`` finds.

Design: J3-J5, J8
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller.schedule import spread_plan
from controller.schedule.inputs import Ints, Request
from controller.schedule.node_slots import NodeSlots
from controller.schedule.results import Placed
from controller.schedule.rules import Rules
from controller.schedule.search import Search
from controller.schedule.snapshot import Snapshot

ChoiceObserver = Callable[[Request, Search, int], None]
"""Called with each choice before it is taken: the request, the search, and the node's position in the node groups."""
_KEPT_SLOTS = 20_000_000
"""How many numbers of node slots are kept for later decisions."""


def alike(one: Request, other: Request) -> bool:
    """Return whether the two differ in their index only."""
    return (
        one.service == other.service
        and (one.need is other.need or one.need == other.need)
        and one.machine_share is other.machine_share
        and one.provider == other.provider
        and (one.policy is other.policy or one.policy == other.policy)
        and one.avoid == other.avoid
    )


def place_alike(
    snapshot: Snapshot, requests: Sequence[Request], watcher: ChoiceObserver | None = None
) -> tuple[list[Placed], Search]:
    """Place requests that differ in their index only. Return those that are placed, and the search after them.

    When one is not placed, all after it are not: room only shrinks, and rules only become stricter.
    """
    placed: list[Placed] = []
    search = search_for(snapshot, requests[0], len(requests))
    if not search.rules.crossed or len(requests) < 2:
        _take(search, requests, None, watcher, placed)
        return placed, search
    while len(placed) < len(requests):
        some = requests[len(placed) :][: spread_plan.HORIZON]
        wanted = len(requests) - len(placed)
        if placed:
            search = search_for(snapshot, some[0], wanted)
        done: list[Placed] = []
        groups = _take(search, some, None, None, done)
        even = spread_plan.looks_even(search, groups)
        if watcher is not None or not even:
            take_back(snapshot, done)
            search = search_for(snapshot, some[0], wanted)
            done = []
            _take(search, some, None if even else spread_plan.better_order(search, groups), watcher, done)
        placed += done
        if len(done) < len(some):
            break
    return placed, search


def _take(
    search: Search,
    requests: Sequence[Request],
    order: Sequence[Ints] | None,
    watcher: ChoiceObserver | None,
    placed: list[Placed],
) -> list[int]:
    """Place the requests until one is not. Return the group of each."""
    groups = []
    for at, request in enumerate(requests):
        found = search.choose(order[at] if order is not None and at < len(order) else None)
        if found is None:
            break
        if watcher is not None:
            watcher(request, search, found[1])
        node, share = search.take(*found)
        placed.append(Placed(request, node, share))
        groups.append(found[0])
    return groups


def take_back(snapshot: Snapshot, placed: Sequence[Placed]) -> None:
    """Undo placements: the snapshot's counters are as before."""
    for each in placed:
        snapshot.give_back(each.node, each.share)
        snapshot.count(each.request.service, each.node, -1)


def search_for(snapshot: Snapshot, request: Request, wanted: int) -> Search:
    """Return the search for ``wanted`` requests like this one, with what earlier searches have cached."""
    policy = request.policy
    _, rules = snapshot.cached("policy", id(policy), lambda: (policy, _rules(snapshot, request)))
    shape = snapshot.shape(request)
    node_groups, usable = rules.node_groups, rules.usable
    filters = (policy.node_filters, tuple(policy.node_label_filters.items())) if usable is not None else None
    key = (id(node_groups), shape.need, shape.share, request.provider, filters)

    def make() -> NodeSlots:
        mask = usable
        if request.provider:
            offers = snapshot.offers(request.provider)
            mask = offers if mask is None else mask & offers
        return NodeSlots(snapshot, node_groups, shape, mask)

    node_slots = snapshot.cached("node slots", key, make, max(8, _KEPT_SLOTS // len(snapshot) // 3))
    return Search(snapshot, rules, node_slots, request.service, request.avoid, wanted)


def _rules(snapshot: Snapshot, request: Request) -> Rules:
    policy = request.policy
    return snapshot.cached("rules", Rules.key(policy), lambda: Rules(snapshot, policy))
