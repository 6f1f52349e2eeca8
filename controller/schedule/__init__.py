"""Choosing nodes for resources: pure functions over a snapshot of the cluster (J8, J10)."""

from controller.schedule.place import Placed, Refused, place
from controller.schedule.snapshot import NodeFacts, Request, Snapshot, need_of

__all__ = ["NodeFacts", "Placed", "Refused", "Request", "Snapshot", "need_of", "place"]
