"""The asynchronous client: the calls that programs with an event loop need."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from controller.client import answers, console, requests, retry
from controller.client.console import Console
from controller.client.kinds import ResourceName
from controller.client.requests import Document, Documents
from controller.errors import VersionsGone

__all__ = ["AsyncClient", "Console"]

_NONE: Mapping[str, str] = {}


class AsyncClient:
    """One root API, for one event loop. Raises as ``Client`` does."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca: str | Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``pause`` waits some seconds, where the server says that it was asked too often."""
        self._pause = pause
        self._url, self._token, self._ca = url, token, ca
        if transport is None and url.startswith("unix:"):
            transport = httpx.AsyncHTTPTransport(uds=url.removeprefix("unix:"), verify=requests.verification(url, ca))
        self._http = httpx.AsyncClient(**requests.options(url, token, ca), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, key: ResourceName) -> Document:
        """One resource."""
        found: Document = await self._ask(requests.get(key))
        return found

    async def list(
        self,
        kind: str,
        *parents: str,
        project: str | None = None,
        labels: Sequence[str] = (),
        fields: Mapping[str, str] = _NONE,
        page_size: int = 1000,
    ) -> AsyncIterator[Document]:
        """Every resource that matches, page by page; missing parents and no project mean all."""
        after: str | None = None
        while True:
            page = await self._ask(requests.page(kind, parents, project, labels, fields, page_size, after))
            for item in page["items"]:
                yield item
            after = page["next_after"]
            if after is None:
                return

    async def put(self, document: Mapping[str, Any], *, if_match: int | None = None) -> Document:
        """Create or replace one resource; returns it as stored."""
        stored: Document = await self._ask(requests.put(document, if_match))
        return stored

    async def delete(self, key: ResourceName, *, if_match: int | None = None, force: bool = False) -> Document | None:
        """Delete one resource; returns it when a controller has to take it down first."""
        left: Document | None = await self._ask(requests.delete(key, if_match, force=force))
        return left

    async def apply(self, documents: Sequence[Mapping[str, Any]]) -> Documents:
        """Write all documents in one transaction; returns what became of each."""
        results: Documents = (await self._ask(requests.many("apply", documents)))["results"]
        return results

    async def act(self, key: ResourceName, verb: str, body: Mapping[str, Any] | None = None) -> Document:
        """An action; returns the resource."""
        changed: Document = await self._ask(requests.action(key, verb, body))
        return changed

    async def watch(
        self, kinds: Sequence[str] = (), since: int | None = None, labels: Sequence[str] = ()
    ) -> AsyncIterator[Document]:
        """Changes and bookmarks until the server ends the stream; raises VersionsGone."""
        call = requests.watch(kinds, since, labels)
        silent = httpx.Timeout(requests.CONNECT_SECONDS, read=None)
        waited = 0.0
        while True:
            with answers.wrapped():
                async with self._http.stream(**call.arguments(), timeout=silent) as response:
                    if response.is_success:
                        async for line in response.aiter_lines():
                            change = json.loads(line)
                            if change["verb"] == "Gone":
                                raise VersionsGone(change["detail"])
                            yield change
                        return
                    await response.aread()
            seconds = retry.pause(response.status_code, response.headers, waited)
            if seconds is None:
                raise answers.refusal(response)
            await self._pause(seconds)
            waited += seconds

    def console(self, key: ResourceName) -> AbstractAsyncContextManager[Console]:
        """The serial console of a Compute; raises what the server refuses it with."""
        return console.connect(self._url, self._token, self._ca, key)

    async def _ask(self, call: requests.Call) -> Any:
        waited = 0.0
        while True:
            with answers.wrapped():
                response = await self._http.request(**call.arguments())
            seconds = retry.pause(response.status_code, response.headers, waited)
            if seconds is None:
                return answers.value(response)
            await self._pause(seconds)
            waited += seconds
