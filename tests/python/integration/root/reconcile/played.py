"""A cluster played in memory behind the ClusterService stub's methods, for the root controller.

It takes wishes in, makes every Compute Active at once (or what ``outcome`` says), and lets go of
what is no longer wished, each as one version of its Observe stream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from controller.errors import NoRoom, StaleTerm, Unavailable
from controller.model.compute import Compute
from controller.wire import cluster_pb2

Document = dict[str, Any]


def become_active(document: Document) -> Document:
    """The ordinary outcome."""
    return {**document, "status": "Active", "state": "Running", "observed": {"node": "n1"}}


class PlayedCluster:
    """Both the peer and its stub."""

    name = "tokyo1"

    def __init__(self) -> None:
        self.outcome: Callable[[Document], Document] = become_active
        self.room = 1000
        self.away = False
        self.term = 0
        self.digests: dict[str, str] = {}
        self.rows: dict[str, tuple[str, Document]] = {}
        """Key to (owner, document)."""
        self.desired: dict[str, list[Document]] = {}
        """The documents of each owner, as they came."""
        self.syncs = 0
        self.holding = False
        """True: machines that are to go stay for now."""
        self._log: list[cluster_pb2.ObservedBatch] = []
        self._news = asyncio.Event()

    # --- the peer

    @contextmanager
    def calling(self) -> Iterator[PlayedCluster]:
        if self.away:
            raise Unavailable("cluster tokyo1: away")
        yield self

    async def offer(self, computes: Iterable[Compute], timeout: float = 0.0) -> Mapping[str, str]:
        names = [item.name for item in computes]
        if len(names) > self.room:
            raise NoRoom("4 nodes: 4 too little memory", {"too little memory": 4})
        return dict.fromkeys(names, "n1")

    # --- the stub

    async def Sync(self, chunks: Iterable[cluster_pb2.SyncChunk], timeout: float) -> None:
        parts: list[bytes] = []
        told = False
        for chunk in chunks:
            told = told or bool(chunk.owners)
            if chunk.term < self.term:
                raise StaleTerm("a newer master has spoken")
            self.term = chunk.term
            for state in chunk.owners:
                parts += state.documents
                if not state.more:
                    self._take_in(state.owner, state.digest, parts, gone=state.gone)
                    parts = []
        self.syncs += told

    async def Digests(self, request: object, timeout: float) -> AsyncIterator[cluster_pb2.DigestBatch]:
        yield cluster_pb2.DigestBatch(digests=self.digests)

    async def Capacity(self, request: object, timeout: float) -> cluster_pb2.CapacityReply:
        return cluster_pb2.CapacityReply(nodes=4, free_vcpus=16)

    async def Observe(self, request: cluster_pb2.ObserveRequest) -> AsyncIterator[cluster_pb2.ObservedBatch]:
        position = request.since
        if not position:
            documents = [json.dumps(document).encode() for _, document in self.rows.values()]
            position = len(self._log)
            yield cluster_pb2.ObservedBatch(
                version=position, snapshot=True, snapshot_end=True, documents=documents, digests=self.digests
            )
        while not self.away:
            while position < len(self._log):
                position += 1
                yield self._log[position - 1]
            await self._news.wait()

    # --- what it does

    def let_go(self) -> None:
        """Machines that were held are gone now."""
        self.holding = False
        for owner in list(self.digests):
            self._drop(owner, {key for key, (_, document) in self.rows.items() if document["status"] != "Deleting"})

    def report_again(self) -> None:
        """What ``outcome`` says now is reported of everything that is there."""
        self.rows = {key: (owner, self.outcome(document)) for key, (owner, document) in self.rows.items()}
        documents = [json.dumps(document).encode() for _, document in self.rows.values()]
        self._tell(cluster_pb2.ObservedBatch(documents=documents))

    def break_off(self) -> None:
        """Every stream ends."""
        self.away = True
        self._tell(cluster_pb2.ObservedBatch())

    def _take_in(self, owner: str, digest: str, parts: list[bytes], *, gone: bool) -> None:
        wished = {}
        for text in parts:
            document = json.loads(text)
            path = "/".join(filter(None, (document["project"], document.get("region"), document["name"])))
            wished[f"{document['kind']} {path}"] = self.outcome(document)
        self.desired[owner] = list(map(json.loads, parts))
        if gone:
            self.digests.pop(owner, None)
        else:
            self.digests[owner] = digest
        self.rows.update({key: (owner, document) for key, document in wished.items()})
        documents = [json.dumps(document).encode() for document in wished.values()]
        self._tell(cluster_pb2.ObservedBatch(documents=documents, digests={owner: "" if gone else digest}))
        self._drop(owner, set(wished))

    def _drop(self, owner: str, wished: set[str]) -> None:
        surplus = [key for key, (of, _) in self.rows.items() if of == owner and key not in wished]
        for key in surplus:
            if self.holding:
                self.rows[key][1]["status"] = "Deleting"
            else:
                del self.rows[key]
                self._tell(cluster_pb2.ObservedBatch(deleted=[key]))

    def _tell(self, batch: cluster_pb2.ObservedBatch) -> None:
        batch.version = len(self._log) + 1
        self._log.append(batch)
        self._news.set()
        self._news = asyncio.Event()
