"""How many more fit: now, and after the worst rack, power or network domain is lost (N+1; pure).

``fits`` counts, for one shape of resource, how many could stand on each node beside what stands
there: no rules, only the room and what the node offers. ``after_loss`` takes a domain's nodes
away, places what stood on them elsewhere first, by its own rules, and counts then. What is counted
as moving is the caller's choice (``Running.moves``); what finds no place is counted apart.

A resource on its way to another node takes room on both, and rules count it on both. It is lost with
the node that it comes from: what has arrived of it by then is of no use and ends. With the other node
only its way is lost, and it stays where it is.

The snapshot is put back as it was: the same one serves for every domain.
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
"""Whose domains may be lost one at a time."""


@dataclass(frozen=True)
class Running:
    """A resource that stands on a node."""

    request: Request
    node: str
    moves: bool
    """It is made again elsewhere when its node is lost."""
    to: str = ""
    """The node that it is moving to."""
    to_share: Share = field(default_factory=Share)
    """What is taken for it there."""


@dataclass(frozen=True)
class Loss:
    """What is left once one domain is lost."""

    axis: str
    domain: str
    nodes: int
    moved: int
    """Resources that found another node."""
    unplaced: int
    """Resources that found none."""
    staying: int
    """Resources that are down until their nodes are back: nothing is to move them."""
    fits: tuple[int, ...]
    """How many more of each shape fit then."""


def fits(snapshot: Snapshot, shapes: Sequence[Request]) -> tuple[int, ...]:
    """How many more of each shape fit, each counted as if it came alone."""
    return tuple(int(per_node(snapshot, shape).sum()) for shape in shapes)


def per_node(snapshot: Snapshot, shape: Request) -> Ints:
    """How many of the shape each node could take beside what stands there."""
    able: Mask = snapshot.open & snapshot.offers(shape.provider) if shape.provider else snapshot.open
    slots: Ints = np.zeros(len(snapshot), dtype=np.int64)
    numbers = np.flatnonzero(able)
    if len(numbers):
        slots[numbers] = shares.count(snapshot, numbers, snapshot.shape(shape))
    return slots


def after_loss(snapshot: Snapshot, shapes: Sequence[Request], running: Iterable[Running]) -> list[Loss]:
    """One loss for each domain of each axis that has nodes."""
    by_node: dict[str, list[Running]] = {}
    on_the_way = []
    for each in running:
        by_node.setdefault(each.node, []).append(each)
        if each.to:
            on_the_way.append(each)
    losses = []
    for axis in AXES:
        domains = snapshot.domains(axis)
        for code, name in enumerate(domains.names):
            losses.append(_lose(snapshot, axis, name, domains.codes == code, shapes, by_node, on_the_way))
    return losses


def worst(losses: Iterable[Loss], axis: str, shape: int) -> Loss | None:
    """The loss of that axis that leaves least room for the shape; of equal ones, the one with most unplaced."""
    found = [loss for loss in losses if loss.axis == axis]
    return min(found, key=lambda loss: (loss.fits[shape], -loss.unplaced, loss.domain), default=None)


def _lose(
    snapshot: Snapshot,
    axis: str,
    domain: str,
    lost: Mask,
    shapes: Sequence[Request],
    by_node: Mapping[str, Sequence[Running]],
    on_the_way: Sequence[Running],
) -> Loss:
    names = {snapshot.nodes[number].name: None for number in np.flatnonzero(lost)}
    closing = [snapshot.nodes[number].name for number in np.flatnonzero(lost & snapshot.open)]
    gone = [each for name in names for each in by_node.get(name, ())]
    broken_off = [each for each in on_the_way if each.node in names or each.to in names]
    snapshot.close(closing, "lost")
    for each in gone:
        snapshot.count(each.request.service, each.node, -1)
    for each in broken_off:
        snapshot.give_back(each.to, each.to_share)
        snapshot.count(each.request.service, each.to, -1)
    answers = place(snapshot, [each.request for each in gone if each.moves])
    placed = [answer for answer in answers if isinstance(answer, Placed)]
    counted = fits(snapshot, shapes)
    for answer in placed:
        snapshot.give_back(answer.node, answer.share)
        snapshot.count(answer.request.service, answer.node, -1)
    for each in broken_off:
        snapshot.take(each.to, each.to_share)
        snapshot.count(each.request.service, each.to, 1)
    for each in gone:
        snapshot.count(each.request.service, each.node, 1)
    snapshot.reopen(closing)
    moving = len(answers)
    return Loss(axis, domain, len(names), len(placed), moving - len(placed), len(gone) - moving, counted)
