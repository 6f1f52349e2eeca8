"""The envelope: the fields that all resources have in common, and the base of every spec.

Users write ``name``, parents, ``project``, ``labels``, ``spec`` and ``max_revision_history``. The server writes the
rest: controllers write ``status``, the phase of the lifecycle; ``state`` and ``observed`` are what was last observed,
from the reports of agents. A document may contain server-set fields, so that users can edit and send back what they
read; their values are ignored. Unknown fields are refused.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from controller.model.fields import field
from controller.model.moments import STORED, Moment
from controller.model.names import Labels, Name
from controller.model.strict_numbers import StrictNumbers


class Part(StrictNumbers):
    """Base of specs and of the objects inside them: immutable, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spec(Part):
    """The desired state of a resource."""


class Observed(BaseModel):
    """Base of what a kind's ``observed`` holds, for the code that decides by it: see ``read_observed``."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @classmethod
    def read(cls, observed: Mapping[str, Any]) -> Self:
        """Return the facts; a value of a wrong type, or a field that this version does not know, is not reported.

        The values come from agents and peers of other versions: none of them may stop the reconcile of all
        resources, and a new field of a NUMA cell may not hide the cell. What is left out is the refused value
        alone; the whole fact is left out only when it cannot be read without that value.
        """
        try:
            return cls.model_validate(observed, context=STORED)
        except ValidationError as error:
            kept = copy.deepcopy(dict(observed))
            for problem in error.errors(include_url=False):
                _leave_out(kept, problem["loc"])
        try:
            return cls.model_validate(kept, context=STORED)
        except ValidationError as error:
            bad = {problem["loc"][0] for problem in error.errors(include_url=False)}
            return cls.model_validate({name: value for name, value in kept.items() if name not in bad}, context=STORED)


def _leave_out(values: Any, path: Sequence[int | str]) -> None:
    """Delete the value at the path, if the values have it and it is in a mapping."""
    *way, last = path
    for step in way:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(values, dict):
        values.pop(last, None)


class Status(StrEnum):
    """The phase of a resource's lifecycle. Later verbs follow the same pattern."""

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
    """The last observed state of a node, process or virtual machine."""

    UP = "Up"
    DOWN = "Down"
    UNKNOWN = "Unknown"
    RUNNING = "Running"
    STOPPED = "Stopped"
    PAUSED = "Paused"


class RequestMethod(StrEnum):
    """The last verb that was requested for the current revision."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


SpecT = TypeVar("SpecT", bound=Spec)
ObservedT = TypeVar("ObservedT", bound=Observed)


class Resource(StrictNumbers, Generic[SpecT]):
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
        "Number of old revisions to keep; 0 keeps only the current one and those that still run.",
        example=10,
        default=10,
        ge=0,
        le=1000,
    )

    uid: str = field("Unique id, never reused.", example="0198c0ffee", default="", server_set=True)
    status: str = field("Phase of the lifecycle.", example="Active", default="Active", server_set=True)
    status_reason: str = field("Reason of the status.", example="", default="", server_set=True)
    state: str = field("Last observed state.", example="Running", default="", server_set=True)
    state_reason: str = field("Reason of the state.", example="", default="", server_set=True)
    observed: dict[str, Any] = field(
        "Last observed facts: addresses, node, counts.",
        example={"node": "floor-1-1-1-rack-1-1-server1"},
        default_factory=dict,
        server_set=True,
    )
    request_method: RequestMethod = field(
        "Last requested verb.", example="Create", default=RequestMethod.CREATE, server_set=True
    )
    revision: int = field("Number of the current revision.", example=1, default=1, server_set=True)
    resource_version: int = field(
        "Version of the last change; grows with every change of any resource. For If-Match and watch.",
        example=42,
        default=0,
        server_set=True,
    )
    created_at: Moment | None = field(
        "Time of creation.", example="2026-01-01T00:00:00Z", default=None, server_set=True
    )
    updated_at: Moment | None = field(
        "Time of the last change.", example="2026-01-01T00:00:00Z", default=None, server_set=True
    )

    @classmethod
    def read_stored(cls, text: str) -> Self:
        """Return a stored document; what older versions accepted stays readable."""
        return cls.model_validate_json(text, context=STORED)

    @classmethod
    def read_peer(cls, raw: Mapping[str, Any]) -> Self:
        """Return what a peer, which may be of an older version, stores; raises ValidationError."""
        return cls.model_validate(raw, context=STORED)

    @property
    def is_deleting(self) -> bool:
        """Return whether the resource is being deleted; the row stays until its controller has finished."""
        return self.status in (Status.DELETING, Status.DELETING_SCHEDULED)

    @property
    def parent_names(self) -> tuple[str, ...]:
        """Return the parents' names, outermost first."""
        return tuple(getattr(self, parent) for parent in self.parents)


def read_observed(resource: Resource[Any], model: type[ObservedT]) -> ObservedT:
    """Return the resource's ``observed`` as the model of its kind; kinds offer it as ``facts``.

    ``observed`` itself stays the plain JSON object that was stored, so that keys of a newer peer pass
    through, and rows that no decision reads are never validated twice. The model is made on first use and kept until
    ``observed`` is replaced; never change the object in place.
    """
    kept = resource.__dict__.get(_FACTS)
    if kept is None or kept[0] is not resource.observed or type(kept[1]) is not model:
        kept = resource.__dict__[_FACTS] = resource.observed, model.read(resource.observed)
    facts: ObservedT = kept[1]
    return facts


_FACTS = "_facts"

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
