"""Settings of the cluster's two processes."""

from __future__ import annotations

from pydantic import Field

from controller.model.names import Name
from controller.process.settings import Address, DatabaseSettings, ElectionSettings, PeerSettings, ProcessSettings

_DOWN_AFTER_SECONDS = 60.0


class ClusterApiSettings(ProcessSettings):
    """cluster-api: for the root, for the cluster's processes, and for its agents."""

    cluster: Name = Field(description="Cluster that the process works for.", examples=["tokyo1"])
    database: DatabaseSettings = Field(description="The cluster's database.")
    root_listen: Address = Field(
        default="",
        description="One more address, for the root: host:port or unix:/path; empty: it uses `listen` too.",
    )
    join_listen: Address = Field(
        default="",
        description="Where nodes without a certificate join with a token: host:port; empty: no node can join here. "
        "Needs tls.authority, the cluster's authority.",
    )
    node_certificate_seconds: float = Field(default=86400.0, gt=0, description="How long a node's certificate lives.")
    down_after_seconds: float = Field(
        default=_DOWN_AFTER_SECONDS,
        gt=0,
        description="A node may be forgotten only without a heartbeat for so long; as the cluster-controllers have it.",
    )
    election: ElectionSettings = Field(
        default=ElectionSettings(), description="Mastership of the cluster's controllers."
    )


class ClusterControllerSettings(ProcessSettings):
    """cluster-controller: places, moves and removes; keeps the nodes' states."""

    cluster: Name = Field(description="Cluster that the process works for.", examples=["tokyo1"])
    database: DatabaseSettings = Field(description="The cluster's database.")
    api: PeerSettings = Field(description="gRPC of the cluster-api.")
    election: ElectionSettings = Field(
        default=ElectionSettings(), description="Mastership of the cluster's controllers."
    )
    unknown_after_seconds: float = Field(
        default=15.0, gt=0, description="Without a heartbeat for so long, a node is no longer Up."
    )
    down_after_seconds: float = Field(
        default=_DOWN_AFTER_SECONDS, gt=0, description="Without a heartbeat for so long, a node is Down."
    )
    resync_seconds: float = Field(default=60.0, gt=0, description="Time between two passes over everything.")
    drain_moves_per_node: int = Field(
        default=1, ge=1, description="Migrations that drains may have under way from one node."
    )
    drain_moves: int = Field(default=4, ge=1, description="Migrations that drains may have under way in the cluster.")
    keep_changes: int = Field(
        default=200_000,
        ge=1000,
        description="Changes that stay in the log; a reader that is further behind reads everything again.",
    )
    keep_events: int = Field(default=20_000, ge=100, description="Events that are kept.")
