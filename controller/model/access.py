"""Project, Token and JoinToken: who may do what, and which node may join.

Secrets are shown once, when they are made; only their SHA-256 digests are stored.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import Change, field
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class ProjectSpec(Spec):
    """Free facts of a project."""

    description: str = field("Who and what for.", example="Shop", default="", max_length=1024)


class Project(Resource[ProjectSpec]):
    """An owner of services; service names are unique in their project and region."""

    kind: Literal["Project"] = "Project"
    spec: ProjectSpec = field("What was asked.", example={}, default_factory=ProjectSpec)


PROJECT = register(
    Kind(
        Project,
        segment="projects",
        columns=(Column("DESCRIPTION", "spec.description"),),
        example={"kind": "Project", "name": "default", "spec": {}},
    )
)


class TokenRole(StrEnum):
    """viewer reads; operator also writes what its projects own, and all else if for all projects;
    admin also manages tokens, join tokens and projects."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class TokenSpec(Spec):
    """What the bearer may do."""

    role: TokenRole = field("What the bearer may do.", example="operator", change=Change.REFUSED)
    projects: tuple[Name, ...] = field(
        "Projects that it is for; empty: all.", unordered=True, example=["default"], default=(), change=Change.REFUSED
    )
    expires_at: datetime | None = field(
        "When it ends; none: never.", example="2030-01-01T00:00:00Z", default=None, change=Change.REFUSED
    )
    description: str = field("Whose it is.", example="CI", default="", max_length=1024)


class Token(Resource[TokenSpec]):
    """A bearer token. The secret is in the answer that makes it, and nowhere else."""

    kind: Literal["Token"] = "Token"
    spec: TokenSpec = field("What was asked.", example={"role": "viewer"})


TOKEN = register(
    Kind(
        Token,
        segment="tokens",
        columns=(
            Column("ROLE", "spec.role"),
            Column("PROJECTS", "spec.projects"),
            Column("EXPIRES", "spec.expires_at"),
        ),
        example={"kind": "Token", "name": "ci", "spec": {"role": "viewer"}},
    )
)


class JoinTokenSpec(Spec):
    """Which node may join, until when."""

    node: Name = field("Node that may join.", example="floor-1-1-1-rack-1-1-server1", change=Change.REFUSED)
    expires_at: datetime | None = field(
        "When it ends; none: one hour after it was made.",
        example="2030-01-01T00:00:00Z",
        default=None,
        change=Change.REFUSED,
    )


class JoinToken(Resource[JoinTokenSpec]):
    """A one-time token with which the agent of a node gets its first certificate."""

    parents = ("cluster",)
    kind: Literal["JoinToken"] = "JoinToken"
    cluster: Name = field("Cluster that the node joins.", example="tokyo1", reference="Cluster")
    spec: JoinTokenSpec = field("What was asked.", example={"node": "floor-1-1-1-rack-1-1-server1"})


JOIN_TOKEN = register(
    Kind(
        JoinToken,
        segment="join-tokens",
        parent="Cluster",
        columns=(
            Column("NODE", "spec.node"),
            Column("EXPIRES", "spec.expires_at"),
            Column("STATE", "state"),
        ),
        example={
            "kind": "JoinToken",
            "name": "server1",
            "cluster": "tokyo1",
            "spec": {"node": "floor-1-1-1-rack-1-1-server1"},
        },
    )
)
