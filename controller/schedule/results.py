"""What placement answers to a request: a node, or counted reasons."""

from __future__ import annotations

from dataclasses import dataclass

from controller.model.node import Share
from controller.schedule import reasons
from controller.schedule.inputs import Request


@dataclass(frozen=True, slots=True)
class Placed:
    """The node that a request goes to, and what it takes of it."""

    request: Request
    node: str
    share: Share


@dataclass(frozen=True, slots=True)
class Refused:
    """No node takes the request; ``reasons`` counts the nodes per reason."""

    request: Request
    reasons: dict[str, int]

    @property
    def message(self) -> str:
        return reasons.message(self.reasons)
