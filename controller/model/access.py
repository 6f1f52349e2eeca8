"""Project, Token and JoinToken: the permissions of users, and the nodes that may join.

Secrets are shown once, when they are created; only their SHA-256 digests are stored.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import model_validator

from controller.model.envelope import Observed, Resource, Spec, read_observed
from controller.model.fields import Change, field
from controller.model.kind_rules import AccessRules, Replication
from controller.model.moments import Moment
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class ProjectSpec(Spec):
    """Description of a project."""

    description: str = field("Owner and purpose.", lines=True, example="Shop", default="", max_length=1024)


class Project(Resource[ProjectSpec]):
    """An owner of services. The names of services are unique in their project and region."""

    kind: Literal["Project"] = "Project"
    spec: ProjectSpec = field("Desired state.", example={}, default_factory=ProjectSpec)


PROJECT = register(
    Kind(
        Project,
        segment="projects",
        columns=(Column("DESCRIPTION", "spec.description"),),
        access=AccessRules(admin_only=True),
        contains_by_project=True,
        preset=True,
        example={"kind": "Project", "name": "default", "spec": {}},
    )
)


class TokenRole(StrEnum):
    """viewer reads; operator also writes what its projects own, and all else if for all projects;
    admin also manages tokens, join tokens and projects."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class TokenRight(StrEnum):
    """What role operator alone does not permit. ``images``: write Images, whose URLs every node reads."""

    IMAGES = "images"


class TokenSpec(Spec):
    """Permissions of the bearer."""

    role: TokenRole = field("Permissions of the bearer.", example="operator", change=Change.REFUSED)
    projects: tuple[Name, ...] = field(
        "Projects that the token is valid for; empty: all.",
        unordered=True,
        example=["default"],
        default=(),
        change=Change.REFUSED,
    )
    rights: tuple[TokenRight, ...] = field(
        "Rights in addition to role operator for all projects: ``images`` to write Images. Role admin for all projects "
        "has every right.",
        unordered=True,
        example=["images"],
        default=(),
    )
    expires_at: Moment | None = field(
        "Time of expiry; none: never.", example="2030-01-01T00:00:00Z", default=None, change=Change.REFUSED
    )
    description: str = field("Owner or purpose.", lines=True, example="CI", default="", max_length=1024)

    @model_validator(mode="after")
    def _rights_have_an_effect(self) -> TokenSpec:
        if self.rights and (self.role is TokenRole.VIEWER or self.projects):
            raise ValueError("rights take role operator or admin for all projects")
        return self


class Token(Resource[TokenSpec]):
    """A bearer token. Only the answer that creates it contains the secret."""

    kind: Literal["Token"] = "Token"
    spec: TokenSpec = field("Desired state.", example={"role": "viewer"})

    @property
    def manages_access(self) -> bool:
        """Return whether it has role admin for all projects, as the writing of tokens takes."""
        return self.spec.role is TokenRole.ADMIN and not self.spec.projects

    def has_right(self, right: str) -> bool:
        """Return whether it has the right, by its spec or its role."""
        return self.manages_access or right in self.spec.rights

    def is_expired(self, now: datetime) -> bool:
        """Return whether it is refused as of ``now`` because of its expiry."""
        return self.spec.expires_at is not None and self.spec.expires_at <= now


TOKEN = register(
    Kind(
        Token,
        segment="tokens",
        columns=(
            Column("ROLE", "spec.role"),
            Column("PROJECTS", "spec.projects"),
            Column("RIGHTS", "spec.rights", wide=True),
            Column("EXPIRES", "spec.expires_at"),
        ),
        access=AccessRules(admin_only=True, confidential=True, grants_access=True),
        example={"kind": "Token", "name": "ci", "spec": {"role": "viewer"}},
    )
)


class JoinTokenSpec(Spec):
    """The node that may join, and until when."""

    node: Name = field("Node that may join.", example="floor-1-1-1-rack-1-1-server1", change=Change.REFUSED)
    expires_at: Moment | None = field(
        "Time of expiry; none: one hour after its creation.",
        example="2030-01-01T00:00:00Z",
        default=None,
        change=Change.REFUSED,
    )


class JoinTokenObserved(Observed):
    """The stored part of a token's secret."""

    digest: str = ""
    """Hash of the secret."""


class JoinToken(Resource[JoinTokenSpec]):
    """A one-time token with which the agent of a node gets its first certificate."""

    parents = ("cluster",)
    kind: Literal["JoinToken"] = "JoinToken"
    cluster: Name = field("Cluster that the node joins.", example="tokyo1", reference="Cluster")
    spec: JoinTokenSpec = field("Desired state.", example={"node": "floor-1-1-1-rack-1-1-server1"})

    @property
    def facts(self) -> JoinTokenObserved:
        """Return the stored digest of its secret."""
        return read_observed(self, JoinTokenObserved)


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
        access=AccessRules(admin_only=True, confidential=True),
        replication=Replication(
            sent_with="JoinToken",
            cluster_field="cluster",
            reported=True,
            keeps_root_facts=True,
            deleted_at_once=True,
            first_state="Unused",
        ),
        example={
            "kind": "JoinToken",
            "name": "server1",
            "cluster": "tokyo1",
            "spec": {"node": "floor-1-1-1-rack-1-1-server1"},
        },
    )
)
