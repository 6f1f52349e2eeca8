"""The one envelope that every resource wears, and the base of every spec.

Who writes what: users write ``name``, parents, ``project``, ``labels``, ``spec`` and
``max_revision_history``. The server writes the rest. ``status`` is the lifecycle word, written by
controllers; ``state`` and ``observed`` are what was last seen, written from agents' reports
(requirements, ruling 7). A document may carry server-set fields (so that what was read can be
edited and sent back); they are ignored on the way in. Unknown fields are refused.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from controller.model.fields import field
from controller.model.names import Labels, Name


class Part(BaseModel):
    """Base of specs and of the objects inside them: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(Part):
    """What was asked for."""


class Status(StrEnum):
    """Lifecycle words (requirements K5; the later verbs follow the same pattern)."""

    INITIALIZING = "Initializing"
    CREATING = "Creating"
    CREATING_SCHEDULED = "Creating:Scheduled"
    ACTIVE = "Active"
    UPDATING = "Updating"
    UPDATING_SCHEDULED = "Updating:Scheduled"
    DELETING = "Deleting"
    DELETING_SCHEDULED = "Deleting:Scheduled"
    ERROR = "Error"


class State(StrEnum):
    """What was last seen of a node, process or virtual machine."""

    UP = "Up"
    DOWN = "Down"
    UNKNOWN = "Unknown"
    RUNNING = "Running"
    STOPPED = "Stopped"
    PAUSED = "Paused"


class RequestMethod(StrEnum):
    """The last verb asked of the current revision (D2)."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


SpecT = TypeVar("SpecT", bound=Spec)


class Resource(BaseModel, Generic[SpecT]):
    """A stored resource; each kind subclasses it with its parents' names and its spec."""

    model_config = ConfigDict(extra="forbid")

    parents: ClassVar[tuple[str, ...]] = ()
    """Field names of the parents, outermost first (``("datacenter",)``)."""

    kind: str = field("The kind of the resource.", example="Rack")
    name: Name = field("Name, unique in the parent.", example="floor-1-1-1-rack-1-1")
    project: Name = field("Project that owns the resource.", example="default", default="default")
    labels: Labels = field("Labels for filters and rules.", example={"env": "lab"}, default_factory=dict)
    spec: SpecT
    max_revision_history: int = field(
        "How many old revisions are kept; 0 keeps only the current one and those still run.",
        example=10,
        default=10,
        ge=0,
        le=1000,
    )

    uid: str = field("Identity, never used twice.", example="0198c0ffee", default="", server_set=True)
    status: str = field("Lifecycle word.", example="Active", default="Active", server_set=True)
    status_reason: str = field("Why the status is so.", example="", default="", server_set=True)
    state: str = field("What was last seen.", example="Running", default="", server_set=True)
    state_reason: str = field("Why the state is so.", example="", default="", server_set=True)
    observed: dict[str, Any] = field(
        "Facts last seen: addresses, node, counts.",
        example={"node": "floor-1-1-1-rack-1-1-server1"},
        default_factory=dict,
        server_set=True,
    )
    request_method: RequestMethod = field(
        "The last verb asked.", example="Create", default=RequestMethod.CREATE, server_set=True
    )
    revision: int = field("Number of the current revision.", example=1, default=1, server_set=True)
    resource_version: int = field(
        "Grows with every change of any resource; for If-Match and watch.", example=42, default=0, server_set=True
    )
    created_at: datetime | None = field(
        "When it was made.", example="2026-01-01T00:00:00Z", default=None, server_set=True
    )
    updated_at: datetime | None = field(
        "When it last changed.", example="2026-01-01T00:00:00Z", default=None, server_set=True
    )

    @property
    def is_deleting(self) -> bool:
        """Return whether deletion was asked for; the row stays until its controller has finished."""
        return self.status in (Status.DELETING, Status.DELETING_SCHEDULED)

    @property
    def parent_names(self) -> tuple[str, ...]:
        """The parents' names, outermost first."""
        return tuple(getattr(self, parent) for parent in self.parents)


SERVER_SET = (
    "uid",
    "status",
    "status_reason",
    "state",
    "state_reason",
    "observed",
    "request_method",
    "revision",
    "resource_version",
    "created_at",
    "updated_at",
)
"""Envelope fields that only the server writes."""
