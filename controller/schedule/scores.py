"""The reasons for a chosen node, in numbers: each rule's score of it, with the extremes of all candidates.

Computed only on request: ``place`` does not use it, and places the same.

Design: J8
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from controller.schedule.best_fit import WHOLE
from controller.schedule.inputs import Mask, Request
from controller.schedule.node_slots import CLOSED
from controller.schedule.placement import place
from controller.schedule.results import Placed, Refused
from controller.schedule.rules import LIMIT, Field
from controller.schedule.search import COST, Search
from controller.schedule.snapshot import Snapshot

Score = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explained:
    """A placement with its scores, in the order in which they decided; each is JSON-able.

    ``{"rule": "power AntiAffinity soft", "domain": "A+B", "already_there": 1, "fewest": 1, "most": 2}``: the node's
    domain, how many resources of the service it has already, and the extremes of the domains of all candidates.
    Hard rules come first: what they forbid was no candidate. ``best fit`` is last (``best_fit``): how much of the usual
    mix the node can take after the placement, what is stranded then, and the cost of both; the lowest cost wins.
    ``candidates`` are the nodes that could have been taken.
    """

    placed: Placed
    scores: list[Score]
    candidates: int


def place_explained(snapshot: Snapshot, requests: Iterable[Request]) -> list[Explained | Refused]:
    """``place``, with the scores of each placement.

    Where the second pass over a batch has chosen another node, that comes first, with the node that was the
    first choice (None: there was none): ``{"rule": "second look", "domain": "n2", "instead_of": "n1"}``. The
    scores after it are those of the first choice.
    """
    notes: dict[int, tuple[str, list[Score], int]] = {}

    def note(request: Request, search: Search, at: int) -> None:
        name = search.snapshot.nodes[search.rules.node_groups.nodes[at]].name
        notes[id(request)] = (name, *_scores(search, at))

    asked = list(requests)  # kept, so that their ids stay theirs
    return [
        _explained(answer, notes.get(id(answer.request))) if isinstance(answer, Placed) else answer
        for answer in place(snapshot, asked, note)
    ]


def _explained(placed: Placed, note: tuple[str, list[Score], int] | None) -> Explained:
    first, scores, candidates = note or (None, [], 0)
    if first != placed.node:
        scores = [{"rule": "second look", "domain": placed.node, "instead_of": first}, *scores]
    return Explained(placed, scores, candidates)


class _View:
    """What a search could take at one moment, by groups of nodes: a hundred in place of thousands of nodes."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._node_groups = node_groups = search.rules.node_groups
        score = search.node_slots.score
        sizes = np.diff(node_groups.starts, append=len(score))
        self._open: Mask = (score < CLOSED) & np.repeat(search.words[0] < LIMIT, sizes)
        """The nodes that could be taken, in the order of the node groups."""
        self._open_groups: Mask = np.logical_or.reduceat(self._open, node_groups.starts)
        counts = search.counts_by_node
        self._numbers = np.fromiter(counts, dtype=np.int64, count=len(counts))
        self._counts = np.fromiter(counts.values(), dtype=np.int64, count=len(counts)).clip(min=0)
        self._by_group = np.bincount(
            node_groups.group_of[self._numbers], weights=self._counts, minlength=node_groups.count
        ).astype(np.int64)
        self.candidates = int(self._open.sum())

    def rule(self, title: str, axis: str, number: int) -> Score:
        """What a rule sees of the node, and of all that could be taken."""
        codes = self._node_groups.codes.get(axis)
        if codes is None:
            return self._by_node(title, number)
        names = self._search.snapshot.domains(axis).names
        counts = np.bincount(codes + 1, weights=self._by_group, minlength=len(names) + 1).astype(np.int64)
        there = counts[codes[self._open_groups & (codes >= 0)] + 1]
        code = int(codes[self._node_groups.group_of[number]])
        return {
            "rule": title,
            "domain": names[code] if code >= 0 else None,
            "already_there": int(counts[code + 1]),
            "fewest": int(there.min()) if len(there) else 0,
            "most": int(there.max()) if len(there) else 0,
        }

    def _by_node(self, title: str, number: int) -> Score:
        """Where the nodes themselves are the domains: most of them have none of the service."""
        there = self._counts[self._open[self._node_groups.position_of[self._numbers]]]
        return {
            "rule": title,
            "domain": self._search.snapshot.nodes[number].name,
            "already_there": max(0, self._search.counts_by_node.get(number, 0)),
            "fewest": int(there.min()) if 0 < self.candidates == len(there) else 0,
            "most": int(there.max(initial=0)),
        }

    def best_fit(self, number: int) -> Score:
        """The costs that the search goes by."""
        snapshot, node_slots = self._search.snapshot, self._search.node_slots
        costs = node_slots.score[self._open] & COST
        at = np.array([number])
        left = snapshot.free[at] - node_slots.shape.row
        usable, stranded = node_slots.best_fit.percent(at, left)
        own = int(node_slots.best_fit.costs(at, left)[0])
        return {
            "rule": "best fit",
            "domain": snapshot.nodes[number].name,
            "usable_percent": round(float(usable[0]), 2),
            "stranded_percent": round(float(stranded[0]), 2),
            "cost": round(own / WHOLE, 4),
            "least": round(min(own, int(costs.min(initial=own))) / WHOLE, 4),
            "most": round(max(own, int(costs.max(initial=own))) / WHOLE, 4),
        }


def _scores(search: Search, at: int) -> tuple[list[Score], int]:
    number = search.rules.node_groups.nodes[at]
    view = _View(search)
    scores: list[Score] = []
    for rule in (rule for rule in search.rules.policy.all_rules() if rule.hard):
        named = f" {rule.value}" if rule.value is not None else ""
        scores.append(view.rule(f"{rule.axis} {rule.mode.value} hard{named}", rule.axis, number))
    for field in search.rules.fields:
        scores.append(view.rule(_title(field), field.axis, number))
    scores.append(view.best_fit(number))
    return scores, view.candidates


def _title(field: Field) -> str:
    if field.rule is None:
        return f"{field.axis} spread"
    named = f" {field.rule.value}" if field.rule.value is not None else ""
    return f"{field.axis} {field.rule.mode.value} soft{named}"
