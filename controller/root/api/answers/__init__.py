"""What the API answers with, other than resources: one pydantic model per answer.

The OpenAPI document is made from these models, and the answers are sent from them. Resources are answered as their
own models have them (``controller.model``).
"""

from controller.root.api.answers.base import Answer
from controller.root.api.answers.clusters import (
    ClusterCapacity,
    Move,
    MovePlan,
    ScheduleSnapshot,
    ScheduleSnapshotHead,
)
from controller.root.api.answers.impact import Impact
from controller.root.api.answers.plans import BatchResult, Plan, Revision, RevisionList
from controller.root.api.answers.problem import FieldProblem, Problem
from controller.root.api.answers.streams import Page, StreamLine, TopologyLine, WatchLine

__all__ = [
    "Answer",
    "BatchResult",
    "ClusterCapacity",
    "FieldProblem",
    "Impact",
    "Move",
    "MovePlan",
    "Page",
    "Plan",
    "Problem",
    "Revision",
    "RevisionList",
    "ScheduleSnapshot",
    "ScheduleSnapshotHead",
    "StreamLine",
    "TopologyLine",
    "WatchLine",
]
