"""Why a node was chosen, in numbers: each rule's score of it beside the best and the worst there was (J8).

Worked out only where it is asked for: ``place`` does not know of it, and places the same.
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

    ``{"rule": "power AntiAffinity soft", "domain": "A+B", "already_there": 1, "fewest": 1, "most": 2}``: the
    node's domain, how many of the service stand there already, and in the domains of all nodes that could have
    been taken. Hard rules come first: what they forbid was no candidate. ``best fit`` is last (``fit``): how much
    of the usual mix the node takes after the placement, what is stranded then, and the cost of both; the
    least cost was wanted.
    ``candidates`` are the nodes that could have been taken.
    """

    placed: Placed
    scores: list[Score]
    candidates: int


def place_explained(snapshot: Snapshot, requests: Iterable[Request]) -> list[Explained | Refused]:
    """``place``, with the scores of each placement.

    Where the second look at a batch has placed otherwise, that comes first, with the node that was the
    first choice (None: there was none): ``{"rule": "second look", "domain": "n2", "instead_of": "n1"}``. The
    scores after it are those of the first choice.
    """
    notes: dict[int, tuple[str, list[Score], int]] = {}

    def note(request: Request, search: Search, at: int) -> None:
        name = search.snapshot.nodes[search.rules.layout.nodes[at]].name
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
    """What a search could take at one moment, by the groups of its layout: a hundred in place of thousands of nodes."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._layout = layout = search.rules.layout
        score = search.openings.score
        sizes = np.diff(layout.starts, append=len(score))
        self._open: Mask = (score < CLOSED) & np.repeat(search.words[0] < LIMIT, sizes)
        """The nodes that could be taken, in the order of the layout."""
        self._open_groups: Mask = np.logical_or.reduceat(self._open, layout.starts)
        standing = search.standing
        self._numbers = np.fromiter(standing, dtype=np.int64, count=len(standing))
        self._counts = np.fromiter(standing.values(), dtype=np.int64, count=len(standing)).clip(min=0)
        self._by_group = np.bincount(
            layout.group_of[self._numbers], weights=self._counts, minlength=layout.groups
        ).astype(np.int64)
        self.candidates = int(self._open.sum())

    def rule(self, title: str, axis: str, number: int) -> Score:
        """What a rule sees of the node, and of all that could be taken."""
        codes = self._layout.codes.get(axis)
        if codes is None:
            return self._by_node(title, number)
        names = self._search.snapshot.domains(axis).names
        counts = np.bincount(codes + 1, weights=self._by_group, minlength=len(names) + 1).astype(np.int64)
        there = counts[codes[self._open_groups & (codes >= 0)] + 1]
        code = int(codes[self._layout.group_of[number]])
        return {
            "rule": title,
            "domain": names[code] if code >= 0 else None,
            "already_there": int(counts[code + 1]),
            "fewest": int(there.min()) if len(there) else 0,
            "most": int(there.max()) if len(there) else 0,
        }

    def _by_node(self, title: str, number: int) -> Score:
        """Where the nodes themselves are the domains: most of them have none of the service."""
        there = self._counts[self._open[self._layout.place_of[self._numbers]]]
        return {
            "rule": title,
            "domain": self._search.snapshot.nodes[number].name,
            "already_there": max(0, self._search.standing.get(number, 0)),
            "fewest": int(there.min()) if 0 < self.candidates == len(there) else 0,
            "most": int(there.max(initial=0)),
        }

    def best_fit(self, number: int) -> Score:
        """The costs that the search goes by."""
        snapshot, openings = self._search.snapshot, self._search.openings
        costs = openings.score[self._open] & COST
        at = np.array([number])
        left = snapshot.free[at] - openings.shape.row
        usable, stranded = openings.fit.percent(at, left)
        own = int(openings.fit.costs(at, left)[0])
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
    number = search.rules.layout.nodes[at]
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
