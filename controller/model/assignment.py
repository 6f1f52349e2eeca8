"""Assignment: places a Compute or an instance of a Loadbalancer on a node, and says whether the node may run it.

``role`` is the permission to run. The database allows only one assignment of a resource with the role ``Owner``. A
live migration has a second assignment, ``Incoming``, whose node prepares and receives the paused machine. The
controller swaps the roles only after the source has reported that its copy does not exist any more, so that two copies
never run at the same time.

Design: D5
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from controller.model.envelope import Observed, Resource, Spec, read_observed
from controller.model.fields import field
from controller.model.kind_rules import AccessRules, Replication
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class AssignmentRole(StrEnum):
    """What the node may do with the resource."""

    OWNER = "Owner"
    """Run it."""
    INCOMING = "Incoming"
    """Prepare for it and receive it paused; never run it."""
    LEAVING = "Leaving"
    """Remove what is left of it."""


class AssignmentSpec(Spec):
    """The resource and its node."""

    resource_kind: str = field("Kind of the resource.", example="Compute")
    resource: str = field("Key of the resource.", example="default/kanto/web-0")
    resource_uid: str = field("Unique id of the resource.", example="0198c0ffee")
    node: Name = field("Node of the assignment (the design's AgentID).", example="floor-1-1-1-rack-1-1-server1")
    role: AssignmentRole = field(
        "What the node may do with the resource.", example="Owner", default=AssignmentRole.OWNER
    )
    cells: tuple[int, ...] = field(
        "NUMA cells of the node that the resource is bound to; none: any.", example=[0], default=()
    )
    cpus: tuple[int, ...] = field(
        "Hardware threads of the node that are exclusive to the resource.", example=[2, 3], default=()
    )
    attempt: int = field(
        "Number of the assignment among those of its resource; grows with each attempt of a migration.",
        example=1,
        default=1,
        ge=1,
    )
    migrate_to: Name | None = field("Target node of the migration.", example=None, default=None)
    migrate_attempt: int = field("Attempt number of the target assignment.", example=0, default=0, ge=0)
    migrate_address: str = field(
        "Address of the target node's hypervisor.", example="10.9.2.2", default="", max_length=256
    )
    migrate_ready: bool = field(
        "Owner: the target is prepared; send now. Incoming: the source has ended; report what is on this node.",
        example=False,
        default=False,
    )
    keep_disks: bool = field(
        "Leaving: the node keeps the disks aside instead of deleting them.", example=False, default=False
    )
    revision: int = field("Revision that the node is to run.", example=1, default=1, ge=0)
    desired: dict[str, Any] = field(
        "Spec of the resource for the node, whose capacity is reserved. Not shown outside the cluster.",
        example={},
        default_factory=dict,
    )


class AssignmentObserved(Observed):
    """What the node's agent reported last; other facts in it are the resource's."""

    role: str = ""
    """Role under which the report was made."""
    revision: int | None = None
    """Revision that runs; None: no report yet."""
    migrate_attempt: int | None = None
    """``spec.migrate_attempt`` that the node had read; None: no report yet."""
    migration: str = ""
    """Phase of the migration: Prepared, Sending, Sent, Failed, Unclear."""
    ready: bool = False
    """Incoming: the node has observed the machine after the source had ended."""


class Assignment(Resource[AssignmentSpec]):
    """A resource on a node (read-only)."""

    parents = ("cluster",)
    kind: Literal["Assignment"] = "Assignment"
    cluster: Name = field("Cluster of the node.", example="tokyo1")
    spec: AssignmentSpec = field("The resource and its node.", example={"resource_kind": "Compute"})

    @property
    def facts(self) -> AssignmentObserved:
        """Return the last report of its node."""
        return read_observed(self, AssignmentObserved)


ASSIGNMENT = register(
    Kind(
        Assignment,
        segment="assignments",
        parent="Cluster",
        user_made=False,
        columns=(
            Column("RESOURCE", "spec.resource"),
            Column("NODE", "spec.node"),
            Column("ROLE", "spec.role"),
            Column("STATUS", "status"),
            Column("STATE", "state"),
            Column("REASON", "status_reason", wide=True),
        ),
        replication=Replication(reported=True, mirrored=True, reported_without=("desired",)),
        access=AccessRules(subject_fields=("resource_kind", "resource")),
        example={
            "kind": "Assignment",
            "name": "0198c0ffee-1",
            "cluster": "tokyo1",
            "spec": {
                "resource_kind": "Compute",
                "resource": "default/kanto/web-0",
                "resource_uid": "0198c0ffee",
                "node": "floor-1-1-1-rack-1-1-server1",
            },
        },
    )
)
