"""Choosing nodes for resources: pure functions over a snapshot of the cluster.

Design: J8, J10
"""

from controller.schedule.inputs import CellFacts, NodeFacts, Present, Request, capacity_of, need_of, sizes_of
from controller.schedule.placement import place, why_not
from controller.schedule.results import Placed, Refused
from controller.schedule.scores import Explained, place_explained
from controller.schedule.shares import share_of_node, shortage
from controller.schedule.snapshot import Snapshot
from controller.schedule.snapshot_json import dump, load, load_present, load_requests, load_with_present

__all__ = [
    "CellFacts",
    "Explained",
    "NodeFacts",
    "Placed",
    "Present",
    "Refused",
    "Request",
    "Snapshot",
    "capacity_of",
    "dump",
    "load",
    "load_present",
    "load_requests",
    "load_with_present",
    "need_of",
    "place",
    "place_explained",
    "share_of_node",
    "shortage",
    "sizes_of",
    "why_not",
]
