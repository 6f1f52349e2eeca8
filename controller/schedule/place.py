"""Placing requests on nodes: rules first, then spread over domains, then best fit (J8, J10).

Requests are grouped by service and placed in order of their index, so that every prefix of the
index order is balanced: a scale-down takes the tail and leaves the rest balanced (K3). A request
that fits nowhere is answered with counted reasons and holds up nobody.

Pure: no I/O, no clock, and the same input always gives the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from controller.model.node import Capacity, Share
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import reasons
from controller.schedule.rules import Rules
from controller.schedule.snapshot import Mask, Request, Snapshot, columns


@dataclass(frozen=True)
class Placed:
    """The node that a request goes to, and what it takes of it."""

    request: Request
    node: str
    share: Share


@dataclass(frozen=True)
class Refused:
    """No node takes the request; ``reasons`` counts the nodes per reason."""

    request: Request
    reasons: dict[str, int]

    @property
    def message(self) -> str:
        return reasons.message(self.reasons)


def place(snapshot: Snapshot, requests: Iterable[Request]) -> list[Placed | Refused]:
    """Place all requests, changing the snapshot's counters; answers come in the order of placing."""
    ordered = sorted(requests, key=lambda request: (request.service, request.index, request.key))
    answers: list[Placed | Refused] = []
    for _, group in groupby(ordered, key=_shape):
        answers.extend(_place_alike(snapshot, list(group)))
    return answers


def _shape(request: Request) -> tuple[str, Capacity, str, SchedulePolicy, frozenset[str]]:
    return request.service, request.need, request.provider, request.policy, request.avoid


def _place_alike(snapshot: Snapshot, requests: list[Request]) -> Iterator[Placed | Refused]:
    """Place requests that differ in their index only.

    What one of them cannot get none after it can: room only shrinks and rules only tighten here.
    """
    first = requests[0]
    able = _able(snapshot, first)
    rules = Rules(snapshot, first.service, first.policy, first.need, able, len(requests))
    fullness = _Fullness(snapshot)
    need = np.array(columns(first.need), dtype=np.int64)
    for done, request in enumerate(requests):
        candidates = np.flatnonzero(able & rules.allowed)
        if not len(candidates):
            why = reasons.explain(snapshot, first, rules)
            yield from (Refused(left, why) for left in requests[done:])
            return
        number = fullness.fullest(rules.choose(candidates))
        node = snapshot.nodes[number].name
        share = snapshot.share_on(node, request)
        assert share is not None
        snapshot.take(node, share)
        snapshot.count(request.service, node, 1)
        able[number] = bool((snapshot.free[number] >= need).all())
        fullness.changed(number)
        rules.added(number)
        yield Placed(request, node, share)


class _Fullness:
    """How full each node is, for best fit: the fullest that still fits keeps the others whole."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._share = 1.0 / np.maximum(snapshot.total, 1)
        self._left = (snapshot.free * self._share).sum(axis=1)

    def changed(self, number: int) -> None:
        self._left[number] = (self._snapshot.free[number] * self._share[number]).sum()

    def fullest(self, candidates: np.typing.NDArray[np.int64]) -> int:
        return int(candidates[self._left[candidates].argmin()])


def _able(snapshot: Snapshot, request: Request) -> Mask:
    """Nodes that are open, offer the provider, pass the filters and have room."""
    able: Mask = snapshot.open & (snapshot.free >= np.array(columns(request.need), dtype=np.int64)).all(axis=1)
    if request.provider:
        able &= snapshot.offers(request.provider)
    if request.policy.node_filters or request.policy.node_label_filters:
        able &= np.array(reasons.passes_filters(snapshot.nodes, request.policy), dtype=np.bool_)
    for name in request.avoid:
        if name in snapshot.index:
            able[snapshot.index[name]] = False
    return able
