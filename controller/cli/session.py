"""One run of a client command: its connection, and the keys that names stand for.

A name may be given as ``PARENT/NAME``. Where the parent is given neither there nor by an option, an environment
variable or the user's file, the only existing parent is used.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from controller.cli.config import Config
from controller.cli.exit_codes import UsageProblem
from controller.cli.kind_words import find_kind
from controller.client import kinds
from controller.client.kinds import ClientKind, ResourceName
from controller.errors import Conflict

if TYPE_CHECKING:
    from controller.client import Client
    from controller.client.aio import Console
    from controller.model.registry import AnyResource

Document = dict[str, Any]
EVERY = "-"
"""In the path of a list: every parent."""


class Session:
    """The client of one command; opened by ``options.remote``."""

    def __init__(self, config: Config, client: Client | None = None, *, read_seconds: float | None = None) -> None:
        """``read_seconds``: how long an answer may take; None: as long as the client lets it."""
        self.config = config
        self._read_seconds = read_seconds
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
        """The REST client, created at first use. Raises UsageProblem when no server is given."""
        if self._client is None:
            self._client = _client_class()(**self._connection(), read_seconds=self._read_seconds)
        return self._client

    def _connection(self) -> dict[str, Any]:
        return {"url": self.config.server, "token": self.config.token, "ca": self.config.get("ca") or None}

    @property
    def project(self) -> str:
        return self.config.get("project") or "default"

    def locate(self, word: str, name: str) -> ResourceName:
        """Return the key of a name. Raises UsageProblem when its parent is not clear."""
        kind = find_kind(word)
        *given, own = name.split("/")
        if len(given) > len(kind.parents):
            raise UsageProblem(f"{name}: {kind.name} is named {'/'.join([*kind.parents, 'name'])}")
        missing = kind.parents[: len(kind.parents) - len(given)]
        above: list[str] = []
        for parent in missing:
            above.append(self.config.get(parent) or self._only(kind, parent, above))
        return kind.key(*above, *given, own, project=self.project)

    def scopes(self, kind: ClientKind) -> list[tuple[str, ...]]:
        """Return the parents' names for lists of the kind: ``-`` (every one) where no name is given.

        The API accepts ``-`` only below names, so a name below an unnamed parent needs a list of the parents.
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

    def _only(self, kind: ClientKind, parent: str, above: Sequence[str]) -> str:
        names = self._names(kind, parent, above)
        if len(names) == 1:
            return names[0]
        known = f"known are {', '.join(names[:10])}" if names else "and none exists"
        raise UsageProblem(f"{kind.name} belongs to a {parent}, {known}: give --{parent} or RESOURCE_{parent.upper()}")

    def _names(self, kind: ClientKind, parent: str, above: Sequence[str]) -> list[str]:
        parent_kind = _kind_of_parent(kind, parent)
        return [str(item["name"]) for item in self.client.list(parent_kind.name, *above)]

    def find(
        self,
        kind: ClientKind,
        *,
        labels: Sequence[str] = (),
        fields: Mapping[str, str] | None = None,
        limit: int | None = None,
        every_project: bool = False,
    ) -> list[Document]:
        """Return the resources of a kind, in every scope that the user has not narrowed."""
        project = self.project if kind.per_project and not every_project else None
        found = itertools.chain.from_iterable(
            self.client.list(kind.name, *names, project=project, labels=labels, fields=fields or {})
            for names in self.scopes(kind)
        )
        return list(itertools.islice(found, limit))

    def get(self, key: ResourceName) -> Document:
        """Return one resource; raises NotFound."""
        return self.client.get(key)

    def apply(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Write all documents in one transaction; return the result of each."""
        return self.client.apply(documents)

    def plan(self, documents: Sequence[Document]) -> Document:
        """Return what ``apply`` would do."""
        return self.client.plan(documents)

    def delete_documents(self, documents: Sequence[Document]) -> Sequence[Document]:
        """Delete what the documents name, children first, in one transaction."""
        deleted: Sequence[Document] = self.client.delete_many(documents)
        return deleted

    def delete(self, key: ResourceName, *, force: bool = False) -> Document | None:
        """Delete one resource; return None when it is deleted, the resource while controllers are still removing it."""
        return self.client.delete(key, force=force)

    def act(self, key: ResourceName, verb: str, body: Mapping[str, Any] | None = None) -> Document:
        """Request an action of a resource; return the resource afterwards."""
        return self.client.act(key, verb, body)

    def plan_act(self, key: ResourceName, verb: str, body: Mapping[str, Any] | None = None) -> Document:
        """Return the moves that the action would make."""
        return self.client.plan_act(key, verb, body)

    def is_in_scope(self, kind: ClientKind, item: Mapping[str, Any], *, every_project: bool = False) -> bool:
        """Return whether ``find`` with the same options would look where the resource is."""
        if kind.per_project and not every_project and item.get("project") != self.project:
            return False
        return all(self.config.get(parent) in (None, "", item.get(parent)) for parent in kind.parents)

    def version(self, kind: ClientKind) -> int:
        """Return the version of the stored data: a watch from here misses nothing that a later list does not have."""
        return self.client.version(kind.name, project=self.project if kind.per_project else None)

    def follow(self, kind: ClientKind, since: int, labels: Sequence[str]) -> Iterator[Document]:
        """Yield changes of one kind after a version, as the server sends them. Reconnects like ``watch``."""
        return self.client.follow([kind.name], since, labels)

    def watch(self, kind_names: Sequence[str], since: int | None) -> Iterator[Document]:
        """Yield changes as they happen, with ``kind`` and ``key``. Reconnects when the connection is lost.

        Raises VersionsGone when the next changes are no longer stored.
        """
        from controller.model import document, registry

        for change in self.client.follow(kind_names, since):
            resource = document.parse(change["resource"], stored=True)
            yield {**change, "kind": resource.kind, "key": registry.key_of(resource).path}

    @asynccontextmanager
    async def console(self, key: ResourceName) -> AsyncIterator[Console]:
        """Open the serial console of a Compute."""
        from controller.client import AsyncClient

        async with AsyncClient(**self._connection()) as client, client.console(key) as stream:
            yield stream

    def revisions(self, key: ResourceName) -> Sequence[Document]:
        """Return the stored revisions, oldest first."""
        return self.client.revisions(key)

    def impact(self, key: ResourceName, limit: int) -> Document:
        """Return what would go down with the resource."""
        return self.client.impact(key, limit=limit)

    def capacity(self, cluster: str, moving: str) -> Document:
        """Return how many of each flavor fit in the cluster, now and after a loss."""
        return self.client.capacity(cluster, moving=moving)

    def schedule_snapshot(self, cluster: str) -> Document:
        """Return the input of placement in the cluster."""
        return self.client.schedule_snapshot(cluster)

    def make_secret(self, wanted: AnyResource) -> str:
        """Create a token or join token; return its secret."""
        from controller.model import document

        result = self.client.apply([document.render(wanted, server_set=False)])[0]
        if "secret" not in result:
            raise Conflict(f"{result['kind']} {result['key']} exists already; its secret cannot be shown again")
        return str(result["secret"])


def _kind_of_parent(kind: ClientKind, parent: str) -> ClientKind:
    """Return the kind whose names the field ``parent`` of ``kind`` contains."""
    above = kind
    for field in reversed(kind.parents):
        assert above.parent is not None, f"{above.name} has parents but no parent kind"
        above = kinds.get(above.parent)
        if field == parent:
            return above
    raise AssertionError(f"{kind.name} has no parent {parent}")


def _client_class() -> type[Client]:
    """Import the REST client, and httpx without its own command line, which imports rich and pygments."""
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx does without it
    from controller.client import Client

    return Client
