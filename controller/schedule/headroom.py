"""How many more resources fit: now, and after the loss of the worst rack, power or network domain (N+1; pure).

``fits`` counts, for one shape of resource, how many could be added on each node: without rules, only by room and
provider. ``after_loss`` removes a domain's nodes, places what was on them elsewhere, by its own rules, and counts
then. The caller chooses what counts as moving (``Running.moves``); what cannot be placed is counted separately.

A resource that is moving takes room on both nodes, and rules count it on both. The loss of its source loses the
resource: what has arrived on the other node cannot be used. The loss of its target ends the move, and the resource
stays on its source.

The snapshot is restored afterwards: the same one serves for every domain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from controller.model.node import Share
from controller.schedule import shares
from controller.schedule.placement import place
from controller.schedule.results import Placed
from controller.schedule.snapshot import Ints, Mask, Request, Snapshot

AXES = ("rack", "power", "network")
"""Axes of which one domain at a time may be lost."""


@dataclass(frozen=True)
class Running:
    """A resource on a node."""

    request: Request
    node: str
    moves: bool
    """Whether it is placed elsewhere when its node is lost."""
    to: str = ""
    """The node that it is moving to."""
    to_share: Share = field(default_factory=Share)
    """Its share of that node."""


@dataclass(frozen=True)
class Loss:
    """The room that remains after the loss of one domain."""

    axis: str
    domain: str
    nodes: int
    moved: int
    """Resources that have another node."""
    unplaced: int
    """Resources that fit on no other node."""
    staying: int
    """Resources that are down until their nodes return: they do not move."""
    fits: tuple[int, ...]
    """How many more of each shape fit then."""


def fits(snapshot: Snapshot, shapes: Sequence[Request]) -> tuple[int, ...]:
    """Return how many more of each shape fit, each counted as if only it were added."""
    return tuple(int(per_node(snapshot, shape).sum()) for shape in shapes)


def per_node(snapshot: Snapshot, shape: Request) -> Ints:
    """Return how many of the shape each node could take in addition."""
    able: Mask = snapshot.open & snapshot.offers(shape.provider) if shape.provider else snapshot.open
    slots: Ints = np.zeros(len(snapshot), dtype=np.int64)
    numbers = np.flatnonzero(able)
    if len(numbers):
        slots[numbers] = shares.count(snapshot, numbers, snapshot.shape(shape))
    return slots


def after_loss(snapshot: Snapshot, shapes: Sequence[Request], running: Iterable[Running]) -> list[Loss]:
    """Return one loss for each domain of each axis that has nodes."""
    by_node: dict[str, list[Running]] = {}
    moving_now = []
    for each in running:
        by_node.setdefault(each.node, []).append(each)
        if each.to:
            moving_now.append(each)
    losses = []
    for axis in AXES:
        domains = snapshot.domains(axis)
        for code, name in enumerate(domains.names):
            losses.append(_lose(snapshot, axis, name, domains.codes == code, shapes, by_node, moving_now))
    return losses


def worst(losses: Iterable[Loss], axis: str, shape: int) -> Loss | None:
    """Return the loss of that axis that leaves the least room for the shape; of equal ones, the most unplaced."""
    found = [loss for loss in losses if loss.axis == axis]
    return min(found, key=lambda loss: (loss.fits[shape], -loss.unplaced, loss.domain), default=None)


def _lose(
    snapshot: Snapshot,
    axis: str,
    domain: str,
    lost: Mask,
    shapes: Sequence[Request],
    by_node: Mapping[str, Sequence[Running]],
    moving_now: Sequence[Running],
) -> Loss:
    names = {snapshot.nodes[number].name: None for number in np.flatnonzero(lost)}
    closing = [snapshot.nodes[number].name for number in np.flatnonzero(lost & snapshot.open)]
    lost_resources = [each for name in names for each in by_node.get(name, ())]
    interrupted = [each for each in moving_now if each.node in names or each.to in names]
    snapshot.close(closing, "lost")
    for each in lost_resources:
        snapshot.count(each.request.service, each.node, -1)
    for each in interrupted:
        snapshot.give_back(each.to, each.to_share)
        snapshot.count(each.request.service, each.to, -1)
    answers = place(snapshot, [each.request for each in lost_resources if each.moves])
    placed = [answer for answer in answers if isinstance(answer, Placed)]
    counted = fits(snapshot, shapes)
    for answer in placed:
        snapshot.give_back(answer.node, answer.share)
        snapshot.count(answer.request.service, answer.node, -1)
    for each in interrupted:
        snapshot.take(each.to, each.to_share)
        snapshot.count(each.request.service, each.to, 1)
    for each in lost_resources:
        snapshot.count(each.request.service, each.node, 1)
    snapshot.reopen(closing)
    moving = len(answers)
    return Loss(axis, domain, len(names), len(placed), moving - len(placed), len(lost_resources) - moving, counted)
