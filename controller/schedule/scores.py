"""Why a node was chosen, in numbers: each rule's score of it beside the best and the worst there was (J8).

Worked out only where it is asked for: ``place`` does not know of it, and places the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from controller.schedule.answers import Placed, Refused
from controller.schedule.facts import Ints, Mask, Request
from controller.schedule.fit import WHOLE
from controller.schedule.openings import CLOSED
from controller.schedule.place import place
from controller.schedule.rules import LIMIT, Field
from controller.schedule.search import Search
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


def _scores(search: Search, at: int) -> tuple[list[Score], int]:
    snapshot, rules, layout = search.snapshot, search.rules, search.rules.layout
    number = layout.nodes[at]
    candidates: Mask = np.zeros(len(snapshot), dtype=np.bool_)
    candidates[layout.order] = search.openings.score < CLOSED
    candidates &= (search.words[0] < LIMIT)[layout.group_of]
    standing = np.zeros(len(snapshot), dtype=np.int64)
    for node, count in search.standing.items():
        standing[node] = max(count, 0)
    scores: list[Score] = []
    for rule in (rule for rule in rules.policy.all_rules() if rule.hard):
        named = f" {rule.value}" if rule.value is not None else ""
        title = f"{rule.axis} {rule.mode.value} hard{named}"
        scores.append(_score(snapshot, title, rule.axis, number, standing, candidates))
    for field in rules.fields:
        scores.append(_score(snapshot, _title(field), field.axis, number, standing, candidates))
    scores.append(_best_fit(search, number, candidates))
    return scores, int(candidates.sum())


def _best_fit(search: Search, number: int, candidates: Mask) -> Score:
    snapshot, openings = search.snapshot, search.openings
    numbers = np.concatenate(([number], np.flatnonzero(candidates)))
    left = snapshot.free[numbers] - openings.shape.row
    usable, stranded = openings.fit.percent(numbers, left)
    costs = (openings.fit.costs(numbers, left) / WHOLE).round(4).tolist()
    return {
        "rule": "best fit",
        "domain": snapshot.nodes[number].name,
        "usable_percent": round(float(usable[0]), 2),
        "stranded_percent": round(float(stranded[0]), 2),
        "cost": costs[0],
        "least": min(costs),
        "most": max(costs),
    }


def _title(field: Field) -> str:
    if field.rule is None:
        return f"{field.axis} spread"
    named = f" {field.rule.value}" if field.rule.value is not None else ""
    return f"{field.axis} {field.rule.mode.value} soft{named}"


def _score(snapshot: Snapshot, title: str, axis: str, number: int, standing: Ints, candidates: Mask) -> Score:
    domains = snapshot.domains(axis)
    counts = np.bincount(domains.codes + 1, weights=standing, minlength=len(domains.names) + 1).astype(np.int64)
    here = counts[domains.codes + 1]
    there = here[candidates & (domains.codes >= 0)]
    code = int(domains.codes[number])
    return {
        "rule": title,
        "domain": domains.names[code] if code >= 0 else None,
        "already_there": int(here[number]),
        "fewest": int(there.min()) if len(there) else 0,
        "most": int(there.max()) if len(there) else 0,
    }
