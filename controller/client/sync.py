"""The synchronous client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from controller.client import answers, requests, retry
from controller.client.kinds import ResourceName
from controller.client.requests import Document, Documents
from controller.errors import Unavailable, VersionsGone

if TYPE_CHECKING:
    from controller.client.console import Console

_NONE: Mapping[str, str] = {}


class Client:
    """One root API. Not shared between threads.

    Each call raises the error that the server's problem names, Unavailable when it cannot be
    reached, TimedOut when it does not answer (a write may then have been done).
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca: str | Path | None = None,
        transport: httpx.BaseTransport | None = None,
        read_seconds: float | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """``read_seconds``: how long an answer, or a connection, may take. Default: ``requests.READ_SECONDS``.

        ``pause`` waits some seconds, where the server says that it was asked too often.
        """
        self._pause = pause
        self._url, self._token, self._ca = url, token, ca
        if transport is None and url.startswith("unix:"):
            transport = httpx.HTTPTransport(uds=url.removeprefix("unix:"), verify=requests.verification(url, ca))
        self._http = httpx.Client(**requests.options(url, token, ca), transport=transport)
        if read_seconds is not None:
            self._http.timeout = httpx.Timeout(read_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, key: ResourceName) -> Document:
        """One resource."""
        found: Document = self._ask(requests.get(key))
        return found

    def list(
        self,
        kind: str,
        *parents: str,
        project: str | None = None,
        labels: Sequence[str] = (),
        fields: Mapping[str, str] = _NONE,
        page_size: int = 1000,
    ) -> Iterator[Document]:
        """Every resource that matches, page by page; missing parents and no project mean all."""
        after: str | None = None
        while True:
            page = self._ask(requests.page(kind, parents, project, labels, fields, page_size, after))
            yield from page["items"]
            after = page["next_after"]
            if after is None:
                return

    def version(self, kind: str, *, project: str | None = None) -> int:
        """The version of the stored data: a watch from here misses nothing that a later list does not have."""
        page = self._ask(requests.page(kind, (), project, (), _NONE, 1, None))
        return int(page["resource_version"])

    def api_version(self) -> str:
        """The version of the API that the server speaks; empty: it does not say."""
        with answers.wrapped():
            response = self._http.request(**requests.page("Region", (), None, (), _NONE, 1, None).arguments())
            answers.value(response)
        return str(response.headers.get(requests.VERSION_HEADER, ""))

    def put(self, document: Mapping[str, Any], *, if_match: int | None = None) -> Document:
        """Create or replace one resource; returns it as stored."""
        stored: Document = self._ask(requests.put(document, if_match))
        return stored

    def delete(self, key: ResourceName, *, if_match: int | None = None, force: bool = False) -> Document | None:
        """Delete one resource; returns it when a controller has to take it down first."""
        left: Document | None = self._ask(requests.delete(key, if_match, force=force))
        return left

    def plan_delete(self, key: ResourceName, *, force: bool = False) -> Document:
        """What ``delete`` would do."""
        plan: Document = self._ask(requests.delete(key, None, force=force, dry_run=True))
        return plan

    def apply(self, documents: Sequence[Mapping[str, Any]]) -> Documents:
        """Write all documents in one transaction; returns what became of each."""
        results: Documents = self._ask(requests.many("apply", documents))["results"]
        return results

    def plan(self, documents: Sequence[Mapping[str, Any]]) -> Document:
        """What ``apply`` would do: ``{as_of, changes}``."""
        plan: Document = self._ask(requests.many("apply", documents, dry_run=True))
        return plan

    def delete_many(self, documents: Sequence[Mapping[str, Any]]) -> Documents:
        """Delete what the documents name in one transaction; returns what became of each."""
        results: Documents = self._ask(requests.many("delete", documents))["results"]
        return results

    def plan_delete_many(self, documents: Sequence[Mapping[str, Any]]) -> Document:
        """What ``delete_many`` would do."""
        plan: Document = self._ask(requests.many("delete", documents, dry_run=True))
        return plan

    def act(self, key: ResourceName, verb: str, body: Mapping[str, Any] | None = None) -> Document:
        """An action (``cordon``, ``scale``, ``reboot``, ...); returns the resource."""
        changed: Document = self._ask(requests.action(key, verb, body))
        return changed

    def plan_act(self, key: ResourceName, verb: str, body: Mapping[str, Any] | None = None) -> Document:
        """The moves that ``drain`` or ``rebalance`` would make: ``{moves, blocked, message}``."""
        plan: Document = self._ask(requests.action(key, verb, body, dry_run=True))
        return plan

    def revisions(self, key: ResourceName) -> Documents:
        """The revisions that are kept, oldest first."""
        kept: Documents = self._ask(requests.revisions(key))["items"]
        return kept

    def impact(self, key: ResourceName, *, limit: int = 1000) -> Document:
        """What would go down with a device, rack, floor, datacenter or node."""
        answer: Document = self._ask(requests.impact(key, limit))
        return answer

    def capacity(self, cluster: str, *, moving: str = "rebuild") -> Document:
        """How many of each flavor fit in the cluster, now and after a loss; ``moving``: rebuild or all."""
        answer: Document = self._ask(requests.of_cluster(cluster, "capacity", moving=moving))
        return answer

    def schedule_snapshot(self, cluster: str) -> Document:
        """All that placement sees in the cluster."""
        saved: Document = self._ask(requests.of_cluster(cluster, "schedule-snapshot"))
        return saved

    def console(self, key: ResourceName) -> AbstractAsyncContextManager[Console]:
        """The serial console of a Compute, for use in an event loop."""
        from controller.client import console  # websockets are for this call only

        return console.connect(self._url, self._token, self._ca, key)

    def watch(
        self, kinds: Sequence[str] = (), since: int | None = None, labels: Sequence[str] = ()
    ) -> Iterator[Document]:
        """Changes and bookmarks (``{verb, resource, resource_version}``), until the server ends the stream.

        Raises VersionsGone when ``since`` is too old, or when this reader fell too far behind.
        """
        call = requests.watch(kinds, since, labels)
        silent = httpx.Timeout(requests.CONNECT_SECONDS, read=None)
        waited = 0.0
        while True:
            with answers.wrapped(), self._http.stream(**call.arguments(), timeout=silent) as response:
                if response.is_success:
                    for line in response.iter_lines():
                        change = json.loads(line)
                        if change["verb"] == "Gone":
                            raise VersionsGone(change["detail"])
                        yield change
                    return
                response.read()
            seconds = retry.pause(response.status_code, response.headers, waited)
            if seconds is None:
                raise answers.refusal(response)
            self._pause(seconds)
            waited += seconds

    def follow(
        self, kinds: Sequence[str] = (), since: int | None = None, labels: Sequence[str] = ()
    ) -> Iterator[Document]:
        """Like ``watch`` without the bookmarks, taken up again where it broke off.

        Raises Unavailable when the server cannot be reached at all at the second try in a row.
        """
        failed = False
        while True:
            try:
                for change in self.watch(kinds, since, labels):
                    failed = False
                    since = change["resource_version"]
                    if change["verb"] != "Bookmark":
                        yield change
            except Unavailable:
                if failed:
                    raise
                failed = True

    def _ask(self, call: requests.Call) -> Any:
        waited = 0.0
        while True:
            with answers.wrapped():
                response = self._http.request(**call.arguments())
            seconds = retry.pause(response.status_code, response.headers, waited)
            if seconds is None:
                return answers.value(response)
            self._pause(seconds)
            waited += seconds
