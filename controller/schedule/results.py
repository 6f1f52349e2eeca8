"""The result of placement for one request: a node, or counted reasons."""

from __future__ import annotations

from dataclasses import dataclass

from controller.model.node import Share
from controller.schedule import reasons
from controller.schedule.inputs import Request


@dataclass(frozen=True, slots=True)
class Placed:
    """The node that was chosen for a request, and the share that it takes there."""

    request: Request
    node: str
    share: Share


@dataclass(frozen=True, slots=True)
class Refused:
    """No node can take the request; ``reasons`` counts the nodes for each reason."""

    request: Request
    reasons: dict[str, int]

    @property
    def message(self) -> str:
        return reasons.message(self.reasons)
