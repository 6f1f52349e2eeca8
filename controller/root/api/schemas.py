"""Schemas of answers that are no resource: pages, plans, results, problems; and their examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    Unauthenticated,
    Unavailable,
    VersionsGone,
)
from controller.root.api.actions import Empty, Migrate, Rollback, Scale
from controller.root.api.move_actions import ManyNodes, Rebalance
from controller.root.api.problems import HttpRefusal

ANSWERS: Mapping[int, str] = {
    200: "As asked; of a write: replaced, or nothing had to change.",
    201: "Created.",
    202: "Accepted: a controller does the rest, `status` tells how far it is.",
    204: "Gone.",
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
    503: Unavailable("cluster tokyo1 cannot be reached"),
    504: TimedOut("cluster tokyo1 did not answer in time"),
}
EXAMPLES: Mapping[str, Any] = {
    "Documents": [
        {"kind": "Region", "name": "kanto", "spec": {"description": "East Japan"}},
        {"kind": "Datacenter", "name": "tokyo", "spec": {"location": "Tokyo"}},
    ],
    "Names": [{"kind": "Region", "name": "kanto"}],
    "Empty": {},
    "Migrate": {"node": "floor-1-1-1-rack-1-2-server1"},
    "Scale": {"replicas": 5},
    "Rollback": {"revision": 1},
    "ManyNodes": {"nodes": ["floor-1-1-1-rack-1-1-server1"], "rack": None},
    "Rebalance": {"max_moves": 10, "at_once": 2},
}

_TEXT = {"type": "string"}
_VERSION = {"type": "integer", "minimum": 0}
_FIELD_PROBLEM = {
    "type": "object",
    "properties": {"path": _TEXT, "message": _TEXT},
    "required": ["path", "message"],
    "additionalProperties": False,
}
_ACTION = {"enum": ["create", "update", "unchanged", "delete"]}
_USERS = {"users": {"type": "array", "items": _TEXT, "maxItems": 20}, "user_count": {"type": "integer"}}


def page_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """A page of resources."""
    return {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": dict(item)},
            "next_after": {"type": ["string", "null"], "description": "`after` of the next page; null: the last one."},
            "resource_version": {**_VERSION, "description": "A watch from here misses nothing."},
        },
        "required": ["items", "next_after", "resource_version"],
        "additionalProperties": False,
    }


def of_actions() -> dict[str, Any]:
    """Bodies of actions."""
    return {
        model.__name__: model.model_json_schema() for model in (Empty, Migrate, Scale, Rollback, ManyNodes, Rebalance)
    }


FIXED: Mapping[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457. `code` never changes its meaning; `detail` is for people.",
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "code": _TEXT,
            "request_id": _TEXT,
            "errors": {"type": "array", "items": _FIELD_PROBLEM, "maxItems": 100},
            "error_count": {"type": "integer"},
            "reasons": {"type": "object", "additionalProperties": {"type": "integer"}},
            **_USERS,
        },
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "additionalProperties": False,
    },
    "Plan": {
        "type": "object",
        "description": "What a write would do as of a version. Diff and refusals are exact; `forecast` is not.",
        "properties": {
            "as_of": _VERSION,
            "changes": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "kind": _TEXT,
                        "key": _TEXT,
                        "action": _ACTION,
                        "diff": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "path": _TEXT,
                                    "before": {},
                                    "after": {},
                                    "change": {"enum": ["live", "restart", "recreate", "refused"]},
                                },
                                "required": ["path", "before", "after", "change"],
                                "additionalProperties": False,
                            },
                        },
                        "refusals": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {"code": _TEXT, "path": _TEXT, "message": _TEXT, **_USERS},
                                "required": ["code", "path", "message"],
                                "additionalProperties": False,
                            },
                        },
                        "unresolved": {"type": "array", "items": _FIELD_PROBLEM},
                        "forecast": {"type": ["object", "null"]},
                    },
                    "required": ["kind", "key", "action", "diff", "refusals", "unresolved", "forecast"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["as_of", "changes"],
        "additionalProperties": False,
    },
    "MovePlan": {
        "type": "object",
        "description": "Moves in their order, as things are now, and what cannot be moved. Nothing is promised.",
        "properties": {
            "moves": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"resource": _TEXT, "from": _TEXT, "to": _TEXT, "why": _TEXT},
                    "required": ["resource", "from", "to", "why"],
                    "additionalProperties": False,
                },
            },
            "blocked": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "resource": _TEXT,
                        "from": _TEXT,
                        "reason": _TEXT,
                        "counts": {
                            "type": "object",
                            "description": "Nodes per reason.",
                            "additionalProperties": {"type": "integer"},
                        },
                    },
                    "required": ["resource", "from", "reason", "counts"],
                    "additionalProperties": False,
                },
            },
            "message": {**_TEXT, "description": "On the whole: why there are no moves, or no more."},
        },
        "required": ["moves", "blocked", "message"],
        "additionalProperties": False,
    },
    "BatchResult": {
        "type": "object",
        "description": "What became of each document, in their order (deletes: children first).",
        "properties": {
            "resource_version": _VERSION,
            "results": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "kind": _TEXT,
                        "key": _TEXT,
                        "action": _ACTION,
                        "uid": _TEXT,
                        "status": _TEXT,
                        "resource_version": _VERSION,
                        "secret": {**_TEXT, "description": "Of a new token: shown this once."},
                    },
                    "required": ["kind", "key", "action", "uid", "status", "resource_version"],
                    "additionalProperties": False,
                },
            },
        },
        "required": ["resource_version", "results"],
        "additionalProperties": False,
    },
    "RevisionList": {
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "revision": {"type": "integer", "minimum": 1},
                        "current": {"type": "boolean"},
                        "spec": {"type": "object"},
                    },
                    "required": ["revision", "current", "spec"],
                    "additionalProperties": False,
                },
            },
            "resource_version": _VERSION,
        },
        "required": ["items", "resource_version"],
        "additionalProperties": False,
    },
    "WatchLine": {
        "type": "object",
        "description": "One line of the stream.",
        "properties": {
            "verb": {"enum": ["Created", "Updated", "Deleted", "Bookmark", "Gone"]},
            "resource_version": _VERSION,
            "resource": {"type": "object"},
            "detail": _TEXT,
        },
        "required": ["verb"],
        "additionalProperties": False,
    },
    "TopologyLine": {
        "type": "object",
        "description": "One line: the head, a narrowed resource (see its kind), or the end.",
        "properties": {
            "topology": {"const": 1, "description": "Of the head: the format."},
            "resource_version": _VERSION,
            "tag": {**_TEXT, "description": "Of the head: the ETag."},
            "kinds": {"type": "array", "items": _TEXT},
            "kind": _TEXT,
            "name": _TEXT,
            "spec": {"type": "object"},
            "observed": {"type": "object", "description": "Of a Node also `free`: what is left of its capacity."},
            "physical": {"type": ["object", "null"], "description": "Of a Node: the spec of its physical resource."},
            "end": {"const": True, "description": "Of the last line: all was told."},
            "counts": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        },
    },
}
