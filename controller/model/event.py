"""Event and AuditRecord: what happened to resources, and who requested which write. Both are read-only."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import field
from controller.model.kind_rules import AccessRules, DeletionRules, Replication
from controller.model.moments import Moment
from controller.model.names import QualifiedName
from controller.model.registry import Column, Kind, register


class EventLevel(StrEnum):
    """Severity."""

    NORMAL = "Normal"
    WARNING = "Warning"


class EventSpec(Spec):
    """One event. A repetition only updates ``count`` and ``last_at``."""

    resource_kind: str = field("Kind of the resource.", example="Compute")
    resource: str = field("Key of the resource.", example="default/kanto/web-0")
    level: EventLevel = field("Severity.", example="Normal", default=EventLevel.NORMAL)
    reason: str = field("Machine-readable reason.", example="Scheduled")
    message: str = field("Text for people.", example="placed on floor-1-1-1-rack-1-1-server1", default="")
    count: int = field("Number of occurrences.", example=1, default=1, ge=1)
    first_at: Moment | None = field("Time of the first occurrence.", example="2026-01-01T00:00:00Z", default=None)
    last_at: Moment | None = field("Time of the last occurrence.", example="2026-01-01T00:00:00Z", default=None)


class Event(Resource[EventSpec]):
    """An event of a resource."""

    kind: Literal["Event"] = "Event"
    name: QualifiedName = field(
        "Digest of the event; for an event of a cluster, the cluster's name precedes it.", example="tokyo1.1"
    )
    spec: EventSpec = field("The event.", example={"reason": "Scheduled"})


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
        replication=Replication(reported=True, mirrored=True, unique_in_cluster=True, reported_with_cluster=True),
        access=AccessRules(subject_fields=("resource_kind", "resource")),
        deletion=DeletionRules(with_project=True),
        example={
            "kind": "Event",
            "name": "1",
            "spec": {"resource_kind": "Compute", "resource": "default/kanto/web-0", "reason": "Scheduled"},
        },
    )
)


class AuditRecordSpec(Spec):
    """One requested write."""

    at: Moment | None = field("Time of the request.", example="2026-01-01T00:00:00Z", default=None)
    token: str = field("Name of the token.", example="ops")
    verb: str = field("Operation id.", example="PutRack")
    resource_kind: str = field("Kind of the resource.", example="Rack", default="")
    resource: str = field("Key of the resource.", example="tokyo/floor-1-1-1-rack-1-1", default="")
    request_id: str = field("Request id, which is also in the logs.", example="0198c0ffee", default="")
    outcome: str = field("``ok``, or the code of the error.", example="ok", default="ok")
    count: int = field(
        "Number of writes. Above 1: a token's refusals for one reason, beyond what has records of its own.",
        example=1,
        default=1,
        ge=1,
    )


class AuditRecord(Resource[AuditRecordSpec]):
    """A record of a requested write."""

    kind: Literal["AuditRecord"] = "AuditRecord"
    spec: AuditRecordSpec = field("Desired state.", example={"token": "ops", "verb": "PutRack"})


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
        access=AccessRules(confidential=True),
        example={"kind": "AuditRecord", "name": "1", "spec": {"token": "ops", "verb": "PutRack"}},
    )
)
