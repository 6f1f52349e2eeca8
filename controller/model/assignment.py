"""Assignment (design D5): a Compute, or a Loadbalancer instance, on a node; and who may run it.

``role`` is the permission to run, and exactly one assignment of a resource may be ``Owner``: the
database keeps it so. A live migration has a second one, ``Incoming``, whose node prepares and
receives the machine paused; the controller swaps the roles only when the source has said that its
copy is gone. So there is no instant with two running copies.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import field
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
    """What sits where."""

    resource_kind: str = field("Kind of the resource.", example="Compute")
    resource: str = field("Key of the resource.", example="default/kanto/web-0")
    resource_uid: str = field("Identity of the resource.", example="0198c0ffee")
    node: Name = field("Node of the assignment (the design's AgentID).", example="floor-1-1-1-rack-1-1-server1")
    role: AssignmentRole = field("What the node may do with it.", example="Owner", default=AssignmentRole.OWNER)
    cells: tuple[int, ...] = field("NUMA cells of the node that it is kept to; none: any.", example=[0], default=())
    cpus: tuple[int, ...] = field("Hardware threads of the node that are its own.", example=[2, 3], default=())
    attempt: int = field(
        "Number of the assignment among those of its resource, grows with each migration tried.",
        example=1,
        default=1,
        ge=1,
    )
    migrate_to: Name | None = field("Node that it is to move to.", example=None, default=None)
    migrate_attempt: int = field("Attempt of the assignment that it is to move to.", example=0, default=0, ge=0)
    migrate_address: str = field("Address of that node's hypervisor.", example="10.9.2.2", default="", max_length=256)
    migrate_ready: bool = field(
        "Owner: that node has prepared, send now. Incoming: the source has ended, look again at what is here.",
        example=False,
        default=False,
    )
    revision: int = field("Revision that the node is to run.", example=1, default=1, ge=0)
    desired: dict[str, Any] = field(
        "Spec of the resource as released to the node: capacity for it is taken. Not shown outside the cluster.",
        example={},
        default_factory=dict,
    )


class Assignment(Resource[AssignmentSpec]):
    """A resource on a node (read only)."""

    parents = ("cluster",)
    kind: Literal["Assignment"] = "Assignment"
    cluster: Name = field("Cluster of the node.", example="tokyo1")
    spec: AssignmentSpec = field("What sits where.", example={"resource_kind": "Compute"})


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
