"""GET .../capacity and .../schedule-snapshot of a cluster: both are the cluster's own answers.

A cluster that is away answers 503. Capacity may be read by every token, for it names no service;
a snapshot names them all and takes role admin for all projects.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence

from starlette.responses import Response, StreamingResponse

from controller.errors import Forbidden
from controller.model import document
from controller.model.flavor import RESOURCE_FLAVOR, ResourceFlavor
from controller.model.registry import Kind
from controller.root.api import access
from controller.root.api.operation import Access, Call, Operation, bad
from controller.root.api.query import Parameter
from controller.root.api.render import JSON, json_response
from controller.store import changes, resources
from controller.store.database import Transaction

MOVING = Parameter(
    "moving",
    "What is placed elsewhere after a loss, before the rest is counted: `rebuild`: Computes with on_node_down Rebuild; "
    "`all`: every one.",
    {"enum": ["rebuild", "all"], "default": "rebuild"},
    example="all",
)


def operations(kind: Kind) -> Iterator[Operation]:
    """The operations of clusters."""
    if kind.name != "Cluster":
        return
    yield Operation(
        "GetClusterCapacity",
        "GET",
        f"{kind.item_path}/capacity",
        "Tell how many of each flavor still fit, and how many after the worst loss",
        capacity,
        Access.READ,
        {200: "ClusterCapacity"},
        (401, 403, 404, 422, 503),
        (MOVING,),
        kind=kind,
        tag=kind.name,
        description="Each flavor is counted as if it came alone, by room and provider. `after_loss`: a rack, power or "
        "network domain is gone with its nodes, and what moves was placed elsewhere by its own rules; the domain that "
        "leaves least room is told.",
    )
    yield Operation(
        "GetClusterScheduleSnapshot",
        "GET",
        f"{kind.item_path}/schedule-snapshot",
        "Save all that placement sees, for a bug report",
        schedule_snapshot,
        Access.READ,
        {200: "ScheduleSnapshot"},
        (401, 403, 404, 422, 503),
        kind=kind,
        tag=kind.name,
        description="Takes role admin for all projects. `resourcectl schedule-replay` answers from it offline.",
    )


async def capacity(call: Call) -> Response:
    """The cluster's headroom."""
    key = call.kind.key(*call.names())
    access.check_read(call.token, call.kind)
    moving = call.query.text(MOVING) or "rebuild"
    if moving not in MOVING.schema["enum"]:
        raise bad("query.moving", "must be rebuild or all")
    _, flavors = await call.services.db.aread(lambda tx: (resources.get(tx, key), _flavors(tx)))
    report = await call.services.cluster_calls().headroom(key.names[0], flavors, everything=moving == "all")
    return json_response({"cluster": key.names[0], **report})


async def schedule_snapshot(call: Call) -> Response:
    """The cluster's snapshot, with the flavors that services name."""
    key = call.kind.key(*call.names())
    if not access.may_manage(call.token):
        raise Forbidden("a schedule snapshot takes role admin for all projects: it names every service")

    def work(tx: Transaction) -> tuple[Sequence[ResourceFlavor], int]:
        resources.get(tx, key)
        return _flavors(tx), changes.head(tx)

    flavors, version = await call.services.db.aread(work)
    head = {
        "cluster": key.names[0],
        "as_of": version,
        "taken_at": call.services.clock.now().isoformat(),
        "flavors": [document.render(flavor, server_set=False) for flavor in flavors],
    }
    parts = call.services.cluster_calls().schedule_snapshot(key.names[0])
    first = await anext(parts)  # a cluster that is away is told by the status, not by a torn answer

    async def whole() -> AsyncIterator[bytes]:
        yield json.dumps(head).encode()[:-1] + b', "scheduling": ' + first
        async for part in parts:
            yield part
        yield b"}"

    return StreamingResponse(whole(), media_type=JSON)


def _flavors(tx: Transaction) -> list[ResourceFlavor]:
    return resources.list_all(tx, RESOURCE_FLAVOR)
