"""GET /v1/watch: changes as NDJSON, from a version on, for as long as the caller listens.

Lines are ``{verb, resource, resource_version}`` in the order of versions, verbs Created, Updated
and Deleted; a Bookmark line says how far the caller has come when nothing of what passed was his.
With a label filter, a resource that stops matching is told as Deleted, also when it never matched:
who keeps a list by key is right either way. A watch ends when its token ends, when the process
drains, or with an ``{"verb": "Gone"}`` line when the caller falls too far behind: list again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse

from controller.errors import NotFound, ResourceError, TemporaryError, Unauthenticated, VersionsGone
from controller.model import registry
from controller.root.api import access
from controller.root.api import query as q
from controller.root.api.crud import label_filters
from controller.root.api.operation import Call, Services, authenticate, bad
from controller.root.api.render import to_bytes
from controller.store import changes
from controller.store.changes import Change, Verb
from controller.store.selectors import LabelFilter, LabelOperator

MEDIA_TYPE = "application/x-ndjson"


class Drain:
    """Ends all watches of a process when it is to stop."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End every watch, now and later."""
        self._stopping.set()

    async def until_stopped(self, batches: AsyncIterator[list[Change]]) -> AsyncIterator[list[Change]]:
        """The batches, until ``stop``; raises what they raise.

        They are read in a task of their own: the server cancels the caller in the midst of an
        await when the listener hangs up, and a subscription must then still be given back.
        """
        queue: asyncio.Queue[list[Change] | ResourceError] = asyncio.Queue(1)
        tasks: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(_pump(batches, queue)),
            asyncio.ensure_future(self._stopping.wait()),
        ]
        try:
            while not self._stopping.is_set():
                taken = asyncio.ensure_future(queue.get())
                tasks[2:] = [taken]
                await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
                if not taken.done():
                    return
                batch = taken.result()
                if isinstance(batch, ResourceError):
                    raise batch
                yield batch
        finally:
            for task in tasks:
                task.cancel()


async def _pump(batches: AsyncIterator[list[Change]], queue: asyncio.Queue[list[Change] | ResourceError]) -> None:
    try:
        async for batch in batches:
            await queue.put(batch)
    except ResourceError as error:
        await queue.put(error)


async def watch(call: Call) -> Response:
    """Stream changes; 410 when the version asked for is no longer kept."""
    kinds = _kinds(call)
    labels = label_filters(call)
    asked = call.query.integer(q.SINCE)
    head = await call.services.db.aread(changes.head)
    since = head if asked is None else asked
    await call.services.db.aread(lambda tx: changes.since(tx, since, 1))
    drain: Drain = call.request.app.state.drain
    lines = _lines(call, drain, since, kinds, labels)
    return StreamingResponse(lines, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


async def _lines(
    call: Call, drain: Drain, since: int, kinds: frozenset[str], labels: Sequence[LabelFilter]
) -> AsyncIterator[bytes]:
    yield _bookmark(since)
    clock, recheck = call.services.clock, call.services.settings.watch_recheck
    proven = clock.monotonic()
    try:
        async for batch in drain.until_stopped(call.services.feed.subscribe(since)):
            # A revoked token is told nothing more at all; one that ends by its time is found out after a while.
            if clock.monotonic() - proven >= recheck or any(change.kind == "Token" for change in batch):
                if not await _still_known(call.services, call.request.headers.get("authorization")):
                    return
                proven = clock.monotonic()
            told = [line for change in batch if (line := _line(call, change, kinds, labels))]
            if not told or batch[-1].kind not in kinds:
                told.append(_bookmark(batch[-1].version))
            yield b"".join(told)
    except VersionsGone as error:
        yield json.dumps({"verb": "Gone", "detail": error.message}).encode() + b"\n"
    except TemporaryError:
        return  # the database is away: the caller takes the watch up again from where it was


def _line(call: Call, change: Change, kinds: frozenset[str], labels: Sequence[LabelFilter]) -> bytes | None:
    if change.kind not in kinds or not access.is_visible(call.token, change.resource):
        return None
    verb = str(change.verb)
    if not all(_matches(change.resource.labels, wanted) for wanted in labels):
        if verb == Verb.CREATED:
            return None
        verb = Verb.DELETED.value
    head = json.dumps({"verb": verb, "resource_version": change.version})[:-1]
    return head.encode() + b', "resource": ' + to_bytes(change.resource) + b"}\n"


def _bookmark(version: int) -> bytes:
    return json.dumps({"verb": "Bookmark", "resource_version": version}).encode() + b"\n"


def _matches(labels: dict[str, str], wanted: LabelFilter) -> bool:
    value = labels.get(wanted.key)
    match wanted.operator:
        case LabelOperator.IN:
            return value in wanted.values
        case LabelOperator.NOT_IN:
            return value is None or value not in wanted.values
        case LabelOperator.EXISTS:
            return value is not None
        case LabelOperator.MISSING:
            return value is None


def _kinds(call: Call) -> frozenset[str]:
    readable = frozenset(kind.name for kind in registry.kinds() if access.may_read_kind(call.token, kind.name))
    text = call.query.text(q.KINDS)
    if text is None:
        return readable
    asked = set()
    for word in text.split(","):
        try:
            kind = registry.get(word)
        except NotFound as error:
            raise bad("query.kinds", error.message) from None
        access.check_read(call.token, kind)
        asked.add(kind.name)
    return frozenset(asked)


async def _still_known(services: Services, header: str | None) -> bool:
    try:
        await authenticate(services, header)
    except Unauthenticated:
        return False
    return True
