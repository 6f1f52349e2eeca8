"""Bodies of requests, as pydantic models.

Bodies of actions are checked by their models: unknown fields and values of another type are refused. The bodies of
PUT, apply and delete are documents of kinds: ``documents`` checks them, and ``openapi`` draws their schemas.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, RootModel

from controller.model.names import Name

_MAX_NODES = 10_000


class Body(BaseModel):
    """Base of the bodies of actions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    is_required: ClassVar[bool] = False
    """False: an empty body is the same as an empty object."""


class Empty(Body):
    """Nothing: the action has no arguments."""


class Migrate(Body):
    """Where a Compute is to move."""

    node: Name | None = Field(None, description="Node to move to; none: the scheduler chooses.")


class Scale(Body):
    """How many Computes a service is to have."""

    is_required: ClassVar[bool] = True

    replicas: int = Field(ge=1, le=100_000, description="Computes of the service.")


class Rollback(Body):
    """Which revision a service goes back to."""

    revision: int | None = Field(
        None, ge=1, le=(1 << 31) - 1, description="Number of a revision that is kept; none: the one before."
    )


class ManyNodes(Body):
    """Which nodes of the cluster: by name, or all that are in a rack, or both."""

    is_required: ClassVar[bool] = True

    nodes: list[Name] = Field(default_factory=list, max_length=_MAX_NODES, description="Names of nodes.")
    rack: Name | None = Field(None, description="Rack of which all nodes are meant.")


class RebalanceRequest(Body):
    """How much may be moved."""

    max_moves: int | None = Field(None, ge=1, le=100_000, description="Moves at most; none: as many as it takes.")
    at_once: int = Field(1, ge=1, le=1000, description="Computes that may move at the same time.")


class KindDocument(RootModel[dict[str, Any]]):
    """The document of one resource of the operation's kind."""


class Documents(RootModel[list[dict[str, Any]]]):
    """Documents of resources of any kinds."""


class Names(RootModel[list[dict[str, Any]]]):
    """Documents of which only the kind and the names count."""
