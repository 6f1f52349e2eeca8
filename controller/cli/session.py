"""One run of a client command: its connection, and what names mean in it.

A name may be given as ``PARENT/NAME``. A parent that is named neither there nor by an option, an
environment variable or the user's file is looked for: if there is exactly one, it is meant.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from controller.cli.arguments import find_kind
from controller.cli.config import Config
from controller.cli.exit_codes import UsageProblem
from controller.errors import Conflict
from controller.model import document, registry
from controller.model.registry import AnyResource, Key, Kind

if TYPE_CHECKING:
    from controller.client import Client
    from controller.client.aio import Console

Document = dict[str, Any]
EVERY = "-"
"""In a list's path: every parent."""


class Session:
    """Holds the client; opened by ``options.remote``."""

    def __init__(self, config: Config, client: Client | None = None) -> None:
        self.config = config
        self._client = client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    @property
    def client(self) -> Client:
        """The REST client, made at first use. Raises UsageProblem when no server is named."""
        if self._client is None:
            from controller.client import Client

            self._client = Client(**self._connection())
        return self._client

    def _connection(self) -> dict[str, Any]:
        return {"url": self.config.server, "token": self.config.token, "ca": self.config.get("ca") or None}

    @property
    def project(self) -> str:
        return self.config.get("project") or "default"

    def locate(self, word: str, name: str) -> Key:
        """The key that a user means; raises UsageProblem when a parent is not clear."""
        kind = find_kind(word)
        *given, own = name.split("/")
        if len(given) > len(kind.parents):
            raise UsageProblem(f"{name}: {kind.name} is named {'/'.join([*kind.parents, 'name'])}")
        missing = kind.parents[: len(kind.parents) - len(given)]
        above: list[str] = []
        for parent in missing:
            above.append(self.config.get(parent) or self._only(kind, parent, above))
        return kind.key(*above, *given, own, project=self.project)

    def scopes(self, kind: Kind) -> list[tuple[str, ...]]:
        """Parents' names for lists of the kind: ``-`` (every one) for what was not narrowed.

        The API takes ``-`` only below names; a name below an unnamed parent needs the parents listed.
        """
        chosen = [self.config.get(parent) for parent in kind.parents]
        scopes: list[tuple[str, ...]] = [()]
        for index, parent in enumerate(kind.parents):
            if chosen[index]:
                scopes = [(*names, chosen[index]) for names in scopes]
            elif any(chosen[index + 1 :]):
                scopes = [(*names, name) for names in scopes for name in self._names(kind, parent, names)]
            else:
                scopes = [(*names, EVERY) for names in scopes]
        return scopes

    def _only(self, kind: Kind, parent: str, above: Sequence[str]) -> str:
        names = self._names(kind, parent, above)
        if len(names) == 1:
            return names[0]
        known = f"there are {', '.join(names[:10])}" if names else "there is none"
        raise UsageProblem(f"{kind.name} is of a {parent}, {known}: give --{parent} or RESOURCE_{parent.upper()}")

    def _names(self, kind: Kind, parent: str, above: Sequence[str]) -> list[str]:
        parent_kind = _kind_of_parent(kind, parent)
        return [str(item["name"]) for item in self.client.list(parent_kind.name, *above)]

    def find(
        self,
        kind: Kind,
        *,
        labels: Sequence[str] = (),
        fields: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> list[Document]:
        """Resources of a kind, in every scope that was not narrowed."""
        project = self.project if kind.per_project else None
        found = itertools.chain.from_iterable(
            self.client.list(kind.name, *names, project=project, labels=labels, fields=fields or {})
            for names in self.scopes(kind)
        )
        return list(itertools.islice(found, limit))

    def get(self, key: Key) -> Document:
        """One resource; raises NotFound."""
        return self.client.get(key)

    def apply(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Write them all in one transaction; what became of each."""
        return self.client.apply(documents)

    def plan(self, documents: Sequence[Document]) -> Document:
        """What ``apply`` would do."""
        return self.client.plan(documents)

    def delete_documents(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Delete what the documents name, children first, in one transaction."""
        deleted: Sequence[Document] = self.client.delete_many(documents)
        return deleted

    def delete(self, key: Key, *, force: bool = False) -> Document | None:
        """Delete one; None when it is gone, the resource while controllers take it down."""
        return self.client.delete(key, force=force)

    def act(self, key: Key, verb: str, body: Mapping[str, Any] | None = None) -> Document:
        """Ask an action of a resource; the resource as it stands afterwards."""
        return self.client.act(key, verb, body)

    def plan_act(self, key: Key, verb: str, body: Mapping[str, Any] | None = None) -> Document:
        """Which moves the action would make."""
        return self.client.plan_act(key, verb, body)

    def watch(self, kinds: Sequence[str], since: int | None) -> Iterator[Document]:
        """Changes as they happen, ``kind`` and ``key`` added; a lost connection is made again.

        Raises VersionsGone when the changes that come next are no longer kept.
        """
        for change in self.client.follow(kinds, since):
            resource = document.parse(change["resource"])
            yield {**change, "kind": resource.kind, "key": registry.key_of(resource).path}

    @asynccontextmanager
    async def console(self, key: Key) -> AsyncIterator[Console]:
        """The serial console of a Compute."""
        from controller.client import AsyncClient

        async with AsyncClient(**self._connection()) as client, client.console(key) as stream:
            yield stream

    def revisions(self, key: Key) -> Sequence[Document]:
        """Revisions that are kept, oldest first."""
        return self.client.revisions(key)

    def impact(self, key: Key, limit: int) -> Document:
        """What would go down with the named thing."""
        return self.client.impact(key, limit=limit)

    def capacity(self, cluster: str, moving: str) -> Document:
        """How many of each flavor fit in the cluster, now and after a loss."""
        return self.client.capacity(cluster, moving=moving)

    def schedule_snapshot(self, cluster: str) -> Document:
        """All that placement sees in the cluster."""
        return self.client.schedule_snapshot(cluster)

    def make_secret(self, wanted: AnyResource) -> str:
        """Make a token or join token; its secret."""
        result = self.client.apply([document.render(wanted, server_set=False)])[0]
        if "secret" not in result:
            raise Conflict(f"{result['kind']} {result['key']} is there already; its secret cannot be shown again")
        return str(result["secret"])


def _kind_of_parent(kind: Kind, parent: str) -> Kind:
    """The kind whose names the field ``parent`` of ``kind`` holds."""
    above = kind
    for field in reversed(kind.parents):
        assert above.parent is not None, f"{above.name} has parents but no parent kind"
        above = registry.get(above.parent)
        if field == parent:
            return above
    raise AssertionError(f"{kind.name} has no parent {parent}")
