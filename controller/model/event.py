"""Event and AuditRecord: what happened to resources, and who asked what (both read only)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import field
from controller.model.names import QualifiedName
from controller.model.registry import Column, Kind, register


class EventLevel(StrEnum):
    """How bad it is."""

    NORMAL = "Normal"
    WARNING = "Warning"


class EventSpec(Spec):
    """One thing that happened. The same thing again only raises ``count`` and ``last_at``."""

    resource_kind: str = field("Kind of the resource.", example="Compute")
    resource: str = field("Key of the resource.", example="default/kanto/web-0")
    level: EventLevel = field("How bad it is.", example="Normal", default=EventLevel.NORMAL)
    reason: str = field("Stable word.", example="Scheduled")
    message: str = field("For people.", example="placed on floor-1-1-1-rack-1-1-server1", default="")
    count: int = field("How often.", example=1, default=1, ge=1)
    first_at: datetime | None = field("First time.", example="2026-01-01T00:00:00Z", default=None)
    last_at: datetime | None = field("Last time.", example="2026-01-01T00:00:00Z", default=None)


class Event(Resource[EventSpec]):
    """Something that happened to a resource."""

    kind: Literal["Event"] = "Event"
    name: QualifiedName = field("Digest of what it says; a cluster's has the cluster before it.", example="tokyo1.1")
    spec: EventSpec = field("What happened.", example={"reason": "Scheduled"})


EVENT = register(
    Kind(
        Event,
        segment="events",
        user_made=False,
        columns=(
            Column("LAST", "spec.last_at"),
            Column("LEVEL", "spec.level"),
            Column("RESOURCE", "spec.resource"),
            Column("REASON", "spec.reason"),
            Column("MESSAGE", "spec.message"),
            Column("COUNT", "spec.count", wide=True),
        ),
        example={
            "kind": "Event",
            "name": "1",
            "spec": {"resource_kind": "Compute", "resource": "default/kanto/web-0", "reason": "Scheduled"},
        },
    )
)


class AuditRecordSpec(Spec):
    """One write that was asked for."""

    at: datetime | None = field("When.", example="2026-01-01T00:00:00Z", default=None)
    token: str = field("Name of the token.", example="ops")
    verb: str = field("Operation id.", example="PutRack")
    resource_kind: str = field("Kind of the resource.", example="Rack", default="")
    resource: str = field("Key of the resource.", example="tokyo/floor-1-1-1-rack-1-1", default="")
    request_id: str = field("Id that the logs carry too.", example="0198c0ffee", default="")
    outcome: str = field("``ok``, or the code of the error.", example="ok", default="ok")


class AuditRecord(Resource[AuditRecordSpec]):
    """Who asked what."""

    kind: Literal["AuditRecord"] = "AuditRecord"
    spec: AuditRecordSpec = field("What was asked.", example={"token": "ops", "verb": "PutRack"})


AUDIT_RECORD = register(
    Kind(
        AuditRecord,
        segment="audit-records",
        user_made=False,
        columns=(
            Column("AT", "spec.at"),
            Column("TOKEN", "spec.token"),
            Column("VERB", "spec.verb"),
            Column("RESOURCE", "spec.resource"),
            Column("OUTCOME", "spec.outcome"),
        ),
        aliases=("audit",),
        example={"kind": "AuditRecord", "name": "1", "spec": {"token": "ops", "verb": "PutRack"}},
    )
)
