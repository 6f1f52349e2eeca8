"""Choosing nodes for resources: pure functions over a snapshot of the cluster (J8, J10)."""

from controller.schedule.answers import Placed, Refused
from controller.schedule.facts import CellFacts, NodeFacts, Request, capacity_of, need_of, sizes_of
from controller.schedule.place import place
from controller.schedule.snapshot import Snapshot

__all__ = [
    "CellFacts",
    "NodeFacts",
    "Placed",
    "Refused",
    "Request",
    "Snapshot",
    "capacity_of",
    "need_of",
    "place",
    "sizes_of",
]
