"""Texts and examples of the OpenAPI document: what each status means, an example of each problem and each body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from controller.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
    Problem,
    ResourceError,
    TimedOut,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    VersionsGone,
)
from controller.root.api.bodies import Documents, Empty, ManyNodes, Migrate, Names, RebalanceRequest, Rollback, Scale
from controller.root.api.problems import HttpRefusal

ANSWERS: Mapping[int, str] = {
    200: "As requested; of a write: replaced, or nothing had to change.",
    201: "Created.",
    202: "Accepted: a controller does the rest, `status` shows how far it is.",
    204: "Deleted.",
    304: "Nothing of it has changed since.",
}
PROBLEMS: Mapping[int, ResourceError] = {
    401: Unauthenticated("a token is needed: Authorization: Bearer <token>"),
    403: Forbidden("token ci has role viewer: it reads only"),
    404: NotFound("Rack tokyo/floor-1-1-1-rack-1-1 does not exist"),
    405: HttpRefusal(405, "method_not_allowed", "PATCH is not possible at '/v1/regions/kanto'"),
    409: Conflict("Image kanto/guest is in use", users=["RegionService default/kanto/web"], user_count=1),
    410: VersionsGone("changes after version 7 are no longer kept; list again"),
    412: PreconditionFailed("Rack tokyo/rack-1 has resource_version 43, not 42"),
    413: TooLarge("the body has more than 1048576 bytes"),
    415: HttpRefusal(415, "unsupported_media_type", "'text/csv' is not read; send application/json"),
    422: InvalidInput([Problem("spec.floor", "is required")]),
    429: TooManyRequests("token ci sends too many requests"),
    503: Unavailable("cluster tokyo1 cannot be reached"),
    504: TimedOut("cluster tokyo1 did not answer in time"),
}
EXAMPLES: Mapping[type[BaseModel], Any] = {
    Documents: [
        {"kind": "Region", "name": "kanto", "spec": {"description": "East Japan"}},
        {"kind": "Datacenter", "name": "tokyo", "spec": {"location": "Tokyo"}},
    ],
    Names: [{"kind": "Region", "name": "kanto"}],
    Empty: {},
    Migrate: {"node": "floor-1-1-1-rack-1-2-server1"},
    Scale: {"replicas": 5},
    Rollback: {"revision": 1},
    ManyNodes: {"nodes": ["floor-1-1-1-rack-1-1-server1"], "rack": None},
    RebalanceRequest: {"max_moves": 10, "at_once": 2},
}
