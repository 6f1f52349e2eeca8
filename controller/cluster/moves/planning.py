"""Moves that are planned, and how one is tried on a snapshot; shared by drains and rebalancing.

A plan of moves is never stored: it is drawn anew from the present state whenever it is needed, and
each move is checked once more when it starts.

A replacement is chosen as if the copy that leaves were gone. Whether it still counts afterwards is
the caller's matter: a plan goes on as if it had arrived, while a real start leaves it counted on both
nodes until it has, for it may end on either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.schedule import Placed, Refused, Request, Snapshot, place, why_not


@dataclass(frozen=True)
class Hindrance:
    """Why something cannot be moved; ``counts`` has the nodes per reason where the rules refused it."""

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
        """The JSON form."""
        return {"resource": self.resource, "from": self.source, "to": self.target, "why": self.why}


@dataclass(frozen=True)
class Blocked:
    """A resource that stays where it is."""

    resource: str
    node: str
    hindrance: Hindrance

    def render(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "resource": self.resource,
            "from": self.node,
            "reason": self.hindrance.reason,
            "counts": dict(self.hindrance.counts),
        }


@dataclass
class MovePlan:
    """Moves in their order, what stays, and a word on the whole."""

    moves: list[Move] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    message: str = ""

    def render(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "moves": [move.render() for move in self.moves],
            "blocked": [each.render() for each in self.blocked],
            "message": self.message,
        }


def try_move(snapshot: Snapshot, request: Request, source: str, *, arrived: bool) -> Placed | Refused:
    """Choose and take a node for what leaves ``source``; ``arrived``: it no longer counts there afterwards."""
    snapshot.count(request.service, source, -1)
    (answer,) = place(snapshot, [request])
    if isinstance(answer, Refused) or not arrived:
        snapshot.count(request.service, source, 1)
    return answer


def hindrance_at(snapshot: Snapshot, request: Request, source: str, node: str) -> Hindrance:
    """Why a move to the one node that was named is refused; the other nodes are of no interest."""
    if node not in snapshot.index:
        return Hindrance("there is no such node")
    snapshot.count(request.service, source, -1)
    why = why_not(snapshot, request, node)
    snapshot.count(request.service, source, 1)
    return Hindrance(f"{node} cannot take it: {why}", {why: 1})


def hindrance_of(refused: Refused) -> Hindrance:
    """The same for people and for the wire."""
    return Hindrance(refused.message, refused.reasons)
