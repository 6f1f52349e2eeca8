"""GET /v1/watch: changes as NDJSON, from a version on, for as long as the client listens.

Lines are ``{verb, resource, resource_version}`` in the order of versions, with the verbs Created, Updated and Deleted.
A Bookmark line says up to which version the client has everything, when nothing of what changed was for it. With a
label filter, a resource that stops matching is sent as Deleted, also when it never matched: a client that keeps a list
by key is right in both cases. A watch ends when its token ends, when the process stops, or with an ``{"verb": "Gone"}``
line when the client falls too far behind and must list again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from controller.errors import NotFound, TemporaryError, VersionsGone
from controller.model import registry
from controller.root.api import access, token_end
from controller.root.api import query as q
from controller.root.api.answers import WatchLine
from controller.root.api.list_filters import labels_of
from controller.root.api.operation import Call, bad
from controller.root.api.render import line, to_bytes
from controller.store import changes
from controller.store.changes import Change, Verb
from controller.store.selectors import LabelFilter, LabelOperator

MEDIA_TYPE = "application/x-ndjson"
_PIECE = 16 << 10


class Drain:
    """Ends all watches of a process that stops."""

    def __init__(self) -> None:
        self._is_stopping = False
        self._watches: set[asyncio.Future[None]] = set()

    def stop(self) -> None:
        """End every watch, now and later."""
        self._is_stopping = True
        for sending in self._watches:
            sending.cancel()

    @contextmanager
    def ending(self, sending: asyncio.Future[None]) -> Iterator[None]:
        """Let ``stop`` cancel the task of a watch while the context is open."""
        self._watches.add(sending)
        if self._is_stopping:
            sending.cancel()
        try:
            yield
        finally:
            self._watches.discard(sending)


class _WatchResponse(Response):
    """Sends pieces of lines until they end, the client disconnects, the token expires, or the process drains.

    A task sends, and another one waits for the disconnect: with nothing else in between, thousands of quiet watches are
    cheap. Whatever ends the watch, the generator of the lines is closed before this returns.
    """

    def __init__(self, call: Call, drain: Drain, pieces: AsyncGenerator[bytes, None]) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._call = call
        self._drain = drain
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._call.services.limits.watches.counted(self._call.token.uid, self._call.token.name):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            sending = asyncio.ensure_future(self._send(send))
            listening = asyncio.ensure_future(_disconnected(receive))
            tasks = {sending, listening}
            if self._call.token.spec.expires_at is not None:
                expired = token_end.until_expired(self._call.services, self._call.token)
                tasks.add(asyncio.ensure_future(expired))
            try:
                with self._drain.ending(sending):
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                has_ended = not listening.done()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if sending.done() and not sending.cancelled():
                sending.result()
            if has_ended:
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        async with aclosing(self._pieces):
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def watch(call: Call) -> Response:
    """Stream changes; 410 when the changes after the requested version are no longer kept."""
    kinds = _kinds(call)
    labels = labels_of(call)
    asked = call.query.integer(q.SINCE)
    head = await call.services.db.aread(changes.head)
    since = head if asked is None else asked
    await call.services.db.aread(lambda tx: changes.since(tx, since, 1))
    drain: Drain = call.request.app.state.drain
    return _WatchResponse(call, drain, _pieces(call, since, kinds, labels))


async def _pieces(
    call: Call, since: int, kinds: frozenset[str], labels: Sequence[LabelFilter]
) -> AsyncGenerator[bytes, None]:
    """Yield whole lines, in pieces of about ``_PIECE`` bytes: what a slow reader makes wait is one piece."""
    yield _bookmark(since)
    clock, settings = call.services.clock, call.services.settings
    checked = clock.monotonic()
    try:
        async with aclosing(call.services.feed.subscribe(since, batch=settings.watch_batch)) as batches:
            async for batch in batches:
                # A revoked token gets nothing more at once.
                if clock.monotonic() - checked >= settings.watch_recheck or any(
                    registry.get(change.kind).access.grants_access for change in batch
                ):
                    if not await token_end.is_valid(call.services, call.token):
                        return
                    checked = clock.monotonic()
                lines: list[bytes] = []
                size = 0
                for change in batch:
                    found = _line(call, change, kinds, labels)
                    if found is None and change is batch[-1]:
                        found = _bookmark(change.version)
                    if found is not None:
                        lines.append(found)
                        size += len(found)
                    if size >= _PIECE or (lines and change is batch[-1]):
                        yield b"".join(lines)
                        lines, size = [], 0
    except VersionsGone as error:
        yield line(WatchLine(verb="Gone", detail=error.message))
    except TemporaryError:
        return  # the database cannot be read: the client continues the watch from its last version


def _line(call: Call, change: Change, kinds: frozenset[str], labels: Sequence[LabelFilter]) -> bytes | None:
    if change.kind not in kinds or not access.is_visible(call.token, change.resource):
        return None
    verb = str(change.verb)
    if not all(_matches(change.resource.labels, wanted) for wanted in labels):
        if verb == Verb.CREATED:
            return None
        verb = Verb.DELETED.value
    encoded = _encoded(change, access.view_of(call.token, registry.get(change.kind)))
    return b'{"verb": "%s", "resource_version": %d, "resource": %s}\n' % (verb.encode(), change.version, encoded)


def _encoded(change: Change, view: access.View) -> bytes:
    """Return the resource as those with this view read it; encoded once for all of them."""
    encoded = change.encodings.get(view)
    if encoded is None:
        encoded = change.encodings[view] = to_bytes(access.seen(view, change.resource))
    return encoded


def _bookmark(version: int) -> bytes:
    return line(WatchLine(verb="Bookmark", resource_version=version))


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
    for name in text.split(","):
        try:
            kind = registry.get(name)
        except NotFound as error:
            raise bad("query.kinds", error.message) from None
        access.check_read(call.token, kind)
        asked.add(kind.name)
    return frozenset(asked)
