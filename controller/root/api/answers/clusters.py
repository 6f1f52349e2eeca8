"""Answers of clusters that the root passes on: plans of moves, capacity, snapshots of scheduling."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema

from controller.model.moments import Moment
from controller.root.api.answers.base import Amount, Answer, ClusterAnswer, Count, JsonObject


class Move(ClusterAnswer):
    """One Compute that moves to another node."""

    resource: str
    source: str = Field(alias="from")
    to: str
    why: str


class BlockedMove(ClusterAnswer):
    """One resource that has to move and cannot."""

    resource: str
    source: str = Field(alias="from")
    reason: str
    counts: dict[str, int] = Field(description="Nodes per reason.")


class MovePlan(ClusterAnswer):
    """Moves in their order, as things are now, and what cannot be moved. Nothing is promised."""

    moves: list[Move]
    blocked: list[BlockedMove]
    message: str = Field(description="On the whole: why there are no moves, or no more.")


class DimensionCapacity(ClusterAnswer):
    """One dimension of the nodes that take new resources."""

    total: Amount
    free: Amount


class CapacityAfterLoss(ClusterAnswer):
    """How many more fit after the loss of the worst domain of an axis."""

    domain: str
    fits: Count = Field(description="How many more fit once it is lost.")
    nodes: Count = Field(description="Nodes that are lost with it.")
    moved: Count = Field(description="Computes that found another node first.")
    unplaced: Count = Field(description="Computes that found none.")
    staying: Count = Field(description="Computes that are down until their nodes are back.")


class FlavorCapacity(ClusterAnswer):
    """How many more Computes of one flavor fit."""

    name: str
    fits: Count
    after_loss: dict[str, CapacityAfterLoss] = Field(
        description="Axis to its worst domain; an axis without domains is left out."
    )


class ClusterCapacity(ClusterAnswer):
    """How many more fit in a cluster, now and after the worst loss."""

    cluster: str
    nodes: Count
    open_nodes: Count = Field(description="Nodes that take new resources; `dimensions` are theirs.")
    computes: Count
    moving: Annotated[str, WithJsonSchema({"enum": ["rebuild", "all"]})]
    dimensions: dict[str, DimensionCapacity]
    flavors: list[FlavorCapacity]


class ScheduleSnapshotHead(Answer):
    """The root's part of a snapshot of scheduling."""

    cluster: str
    as_of: Count
    taken_at: Moment
    flavors: list[JsonObject]


class ScheduleSnapshot(ScheduleSnapshotHead):
    """All that placement sees in a cluster."""

    scheduling: JsonObject = Field(description="Nodes, what is taken of them, and where Computes are.")
