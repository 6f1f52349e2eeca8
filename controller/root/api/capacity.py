"""GET .../capacity and .../schedule-snapshot of a cluster: the cluster answers, the root passes it on.

While the cluster cannot be reached the answer is 503. Every token may read the capacity, for it names no service;
a snapshot names all services and takes role admin for all projects.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing

from starlette.responses import Response

from controller.errors import Forbidden
from controller.model import document
from controller.model.flavor import RESOURCE_FLAVOR, ResourceFlavor
from controller.root.api import access
from controller.root.api.answers import ClusterCapacity, ScheduleSnapshotHead
from controller.root.api.held_response import HeldResponse
from controller.root.api.operation import Call, bad
from controller.root.api.query import Parameter
from controller.root.api.render import JSON, answer
from controller.store import changes, resources
from controller.store.database import Transaction

MOVING = Parameter(
    "moving",
    "What is placed elsewhere after a loss, before the rest is counted: `rebuild`: Computes with on_node_down Rebuild; "
    "`all`: every one.",
    {"enum": ["rebuild", "all"], "default": "rebuild"},
    example="all",
)


async def capacity(call: Call) -> Response:
    """Answer with how many more of each flavor fit in the cluster."""
    key = call.key()
    access.check_read(call.token, call.kind)
    moving = call.query.text(MOVING) or "rebuild"
    if moving not in MOVING.schema["enum"]:
        raise bad("query.moving", "must be rebuild or all")
    _, flavors = await call.services.db.aread(lambda tx: (resources.get(tx, key), _flavors(tx)))
    report = await call.services.cluster_calls().headroom(key.names[0], flavors, everything=moving == "all")
    return answer(ClusterCapacity.model_validate({"cluster": key.names[0], **report}))


async def schedule_snapshot(call: Call) -> Response:
    """Answer with the cluster's snapshot, together with the flavors that services name."""
    key = call.key()
    if not access.may_manage(call.token):
        raise Forbidden("a schedule snapshot takes role admin for all projects: it names every service")

    def work(tx: Transaction) -> tuple[Sequence[ResourceFlavor], int]:
        resources.get(tx, key)
        return _flavors(tx), changes.head(tx)

    flavors, version = await call.services.db.aread(work)
    head = ScheduleSnapshotHead(
        cluster=key.names[0],
        as_of=version,
        taken_at=call.services.clock.now(),
        flavors=[document.render(flavor, server_set=False) for flavor in flavors],
    )
    async with AsyncExitStack() as held:
        held.enter_context(call.services.limits.downloads.counted(call.token.uid, call.token.name))
        parts = call.services.cluster_calls().schedule_snapshot(key.names[0])
        await held.enter_async_context(aclosing(parts))
        first = await anext(parts)  # before the headers: a cluster that cannot be reached is a 503 and no torn answer
        return HeldResponse(_whole(head, first, parts), held.pop_all(), media_type=JSON)


async def _whole(head: ScheduleSnapshotHead, first: bytes, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head.model_dump_json().encode()[:-1] + b', "scheduling": ' + first
    async for part in parts:
        yield part
    yield b"}"


def _flavors(tx: Transaction) -> list[ResourceFlavor]:
    return resources.list_all(tx, RESOURCE_FLAVOR)
