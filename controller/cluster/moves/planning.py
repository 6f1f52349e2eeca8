"""Planned moves, and how one is tried on a snapshot; shared by drains and rebalancing.

A plan of moves is never stored: it is made from the current state whenever it is needed, and each
move is checked again when it starts.

A target is chosen as if the leaving copy no longer counted. The caller decides whether it counts
afterwards: a plan continues as if the Compute had arrived, while a real start leaves it counted on
both nodes until it has, because it may end on either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.schedule import Placed, Refused, Request, Snapshot, place, why_not


@dataclass(frozen=True)
class Blocker:
    """Why something cannot be moved; ``counts`` has the number of nodes per reason where the rules refused it."""

    reason: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """One resource from one node to another."""

    resource: str
    source: str
    target: str
    why: str

    def render(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"resource": self.resource, "from": self.source, "to": self.target, "why": self.why}


@dataclass(frozen=True)
class Blocked:
    """A resource that stays where it is."""

    resource: str
    node: str
    blocker: Blocker

    def render(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "resource": self.resource,
            "from": self.node,
            "reason": self.blocker.reason,
            "counts": dict(self.blocker.counts),
        }


@dataclass
class MovePlan:
    """Moves in their order, what is blocked, and a message about the whole."""

    moves: list[Move] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    message: str = ""

    def render(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "moves": [move.render() for move in self.moves],
            "blocked": [each.render() for each in self.blocked],
            "message": self.message,
        }


def try_move(snapshot: Snapshot, request: Request, source: str, *, arrived: bool) -> Placed | Refused:
    """Choose and take a node for what leaves ``source``; if ``arrived``, it no longer counts there afterwards."""
    snapshot.count(request.service, source, -1)
    (answer,) = place(snapshot, [request])
    if isinstance(answer, Refused) or not arrived:
        snapshot.count(request.service, source, 1)
    return answer


def blocker_at(snapshot: Snapshot, request: Request, source: str, node: str) -> Blocker:
    """Return why a move to the named node is refused."""
    if node not in snapshot.index:
        return Blocker(f"node {node} does not exist")
    snapshot.count(request.service, source, -1)
    why = why_not(snapshot, request, node)
    snapshot.count(request.service, source, 1)
    return Blocker(f"{node} cannot take it: {why}", {why: 1})


def blocker_of(refused: Refused) -> Blocker:
    """Return the blocker with the scheduler's reasons."""
    return Blocker(refused.message, refused.reasons)
