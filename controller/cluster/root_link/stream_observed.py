"""Streams the observed state of the cluster to the root: a whole snapshot, then changes.

The root deletes a Compute when this stream reports its deletion. So the stream promises:

- Documents and deletions come in the order of their versions; of several of one resource, only the
  last.
- A digest comes after all rows that its transaction wrote: digests are read together with the
  current version and held back until the stream has reached it.
- A snapshot is read page by page. What changes meanwhile follows as changes, so that the state
  after them is one that existed. Its digests are those of its beginning.

Design: H5
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial

from controller.cluster.root_link import apply_desired
from controller.errors import VersionsGone
from controller.model import registry
from controller.model.registry import AnyResource
from controller.store import changes, resources
from controller.store.changes import Change, Feed, Verb
from controller.store.database import Database, Transaction
from controller.wire.cluster_pb2 import ObservedBatch

KINDS = tuple(kind.name for kind in registry.kinds() if kind.replication.reported)
PAGE = 500
_MOST_BYTES = 2 << 20
_DIGESTS_SECONDS = 0.25


def render(resource: AnyResource, cluster: str) -> bytes:
    """Return a resource as the root receives it: an assignment without the node's copy of the spec."""
    rules = registry.get(resource.kind).replication
    if rules.reported_with_cluster:
        resource = resource.model_copy(update={"observed": {**resource.observed, "cluster": cluster}})
    left_out = {"spec": set(rules.reported_without)} if rules.reported_without else None
    return resource.model_dump_json(exclude=left_out).encode()


class Observer:
    """One stream to the root."""

    def __init__(self, db: Database, feed: Feed, cluster: str) -> None:
        self._db = db
        self._feed = feed
        self._cluster = cluster
        self._version = 0
        self._digests: dict[str, str] = {}
        self._held: tuple[dict[str, str], int] | None = None
        """Digests that were read, and the version that the stream has to reach before they are sent."""

    async def batches(self, since: int) -> AsyncIterator[ObservedBatch]:
        """Return everything after version ``since``, until cancelled.

        From version 0, or one that was compacted, the whole state comes first.
        """
        while True:
            if since == 0:
                async for batch in self._snapshot():
                    yield batch
                since = self._version
            self._version = since
            try:
                async for batch in self._changes(since):
                    yield batch
            except VersionsGone:
                since = 0

    async def _snapshot(self) -> AsyncIterator[ObservedBatch]:
        digests, self._version = await self._db.aread(_digests)
        self._held = None
        for kind in KINDS:
            after: str | None = None
            while True:
                page = await self._db.aread(partial(resources.list_page, kind=kind, limit=PAGE, after=after))
                for documents in _chunks(render(each, self._cluster) for each in page.items):
                    yield ObservedBatch(snapshot=True, documents=documents)
                after = page.next_after
                if after is None:
                    break
        self._digests = digests
        yield ObservedBatch(snapshot=True, snapshot_end=True, version=self._version, digests=digests)

    async def _changes(self, since: int) -> AsyncIterator[ObservedBatch]:
        source = self._feed.subscribe(since)
        following = asyncio.ensure_future(anext(source))
        read_at = -_DIGESTS_SECONDS
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.wait({following}, timeout=_DIGESTS_SECONDS)
                if following.done():
                    taken = following.result()
                    following = asyncio.ensure_future(anext(source))
                    for batch in self._of_changes(taken):
                        yield batch
                if loop.time() - read_at >= _DIGESTS_SECONDS:
                    read_at = loop.time()
                    fresh = await self._new_digests()
                    if fresh:
                        yield ObservedBatch(version=self._version, digests=fresh)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await source.aclose()

    def _of_changes(self, taken: list[Change]) -> Iterator[ObservedBatch]:
        last = {(change.kind, change.path): change for change in taken if change.kind in KINDS}
        deleted = [f"{kind} {path}" for (kind, path), change in last.items() if change.verb == Verb.DELETED]
        alive = (change.resource for change in last.values() if change.verb != Verb.DELETED)
        for documents in _chunks(render(each, self._cluster) for each in alive):
            yield ObservedBatch(version=self._version, documents=documents)
        self._version = taken[-1].version
        yield ObservedBatch(version=self._version, deleted=deleted)

    async def _new_digests(self) -> dict[str, str]:
        """Return the digests that differ from what was sent, unless some of their rows were not sent yet.

        Digests that are held back are not read again: in a busy cluster some rows are always unsent.
        """
        if self._held is None:
            self._held = await self._db.aread(_digests)
        digests, head = self._held
        if head > self._version:
            return {}
        self._held = None
        fresh = {owner: digest for owner, digest in digests.items() if self._digests.get(owner) != digest}
        fresh |= {owner: "" for owner in self._digests if owner not in digests}
        self._digests = digests
        return fresh


def _digests(tx: Transaction) -> tuple[dict[str, str], int]:
    return apply_desired.digests(tx), changes.head(tx)


def _chunks(documents: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Return the documents in lists of at most PAGE documents and about 2 MiB."""
    chunk: list[bytes] = []
    size = 0
    for document in documents:
        if chunk and (len(chunk) == PAGE or size + len(document) > _MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(document)
        size += len(document)
    if chunk:
        yield chunk
