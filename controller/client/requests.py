"""Requests as data, shared by the synchronous and the asynchronous client."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from controller.client import kinds
from controller.client.kinds import ResourceName

Document = dict[str, Any]
Documents = list[Document]
CONNECT_SECONDS = 10.0
API_VERSION = "1"
"""The version of the API that this client is for (``root.api.versions``)."""
VERSION_HEADER = "X-Api-Version"
READ_SECONDS = 120.0
"""An apply of 32 MiB takes its time."""


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def arguments(self) -> dict[str, Any]:
        """For httpx."""
        given: dict[str, Any] = {
            "method": self.method,
            "url": self.path,
            "params": list(self.params),
            "headers": dict(self.headers),
        }
        if self.body is not None:
            given["json"] = self.body
        return given


def item_path(key: ResourceName) -> str:
    """Path of a resource."""
    kind = kinds.get(key.kind)
    return kind.item_path.format(**dict(zip((*kind.parents, "name"), key.names, strict=True)))


def get(key: ResourceName) -> Call:
    """GET of one resource."""
    return Call("GET", item_path(key), _project(key))


def page(
    kind_name: str,
    parents: Sequence[str],
    project: str | None,
    labels: Iterable[str],
    fields: Mapping[str, str],
    limit: int | None,
    after: str | None,
) -> Call:
    """GET of one page; parents that are not given stand for all."""
    kind = kinds.get(kind_name)
    names = (*parents, *("-" for _ in kind.parents[len(parents) :]))
    params = [("label", label) for label in labels]
    params += [("field", f"{path}={value}") for path, value in fields.items()]
    if kind.per_project:
        params.append(("project", project or "*"))
    if limit is not None:
        params.append(("limit", str(limit)))
    if after is not None:
        params.append(("after", after))
    path = kind.collection_path.format(**dict(zip(kind.parents, names, strict=True)))
    return Call("GET", path, tuple(params))


def put(document: Mapping[str, Any], if_match: int | None, *, dry_run: bool = False) -> Call:
    """PUT of a whole document, to where its names say."""
    kind = kinds.get(str(document.get("kind")))
    names = [str(document.get(field, "")) for field in (*kind.parents, "name")]
    key = kind.key(*names, project=str(document.get("project", "default")))
    return Call("PUT", item_path(key), (*_project(key), *_dry(dry_run)), dict(document), _match(if_match))


def delete(key: ResourceName, if_match: int | None, *, force: bool = False, dry_run: bool = False) -> Call:
    """DELETE of one resource."""
    forced = (("force", "true"),) if force else ()
    return Call("DELETE", item_path(key), (*_project(key), *forced, *_dry(dry_run)), headers=_match(if_match))


def many(verb: str, documents: Sequence[Mapping[str, Any]], *, dry_run: bool = False) -> Call:
    """POST of many documents to ``apply`` or ``delete``."""
    return Call("POST", f"/v1/{verb}", _dry(dry_run), [dict(document) for document in documents])


def action(key: ResourceName, verb: str, body: Mapping[str, Any] | None, *, dry_run: bool = False) -> Call:
    """POST of an action."""
    return Call("POST", f"{item_path(key)}/{verb}", (*_project(key), *_dry(dry_run)), dict(body or {}))


def revisions(key: ResourceName) -> Call:
    """GET of the revisions that are kept."""
    return Call("GET", f"{item_path(key)}/revisions", _project(key))


def impact(key: ResourceName, limit: int) -> Call:
    """GET of what would go down with the named thing."""
    return Call("GET", f"{item_path(key)}/impact", (("limit", str(limit)),))


def of_cluster(cluster: str, what: str, **params: str) -> Call:
    """GET of something that the cluster reports of itself."""
    return Call("GET", f"{item_path(kinds.get('Cluster').key(cluster))}/{what}", tuple(params.items()))


def watch(kind_names: Sequence[str], since: int | None, labels: Sequence[str]) -> Call:
    """GET of the stream of changes."""
    params = [("label", label) for label in labels]
    if kind_names:
        params.append(("kinds", ",".join(kind_names)))
    if since is not None:
        params.append(("since", str(since)))
    return Call("GET", "/v1/watch", tuple(params))


def options(url: str, token: str | None, ca: str | Path | None) -> dict[str, Any]:
    """Arguments of an httpx client; ``unix:/path`` reaches a unix socket."""
    headers = {"Accept": "application/json", "User-Agent": "resource-service"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    given: dict[str, Any] = {"headers": headers, "timeout": timeout, "trust_env": False}
    base = "http://localhost" if url.startswith("unix:") else url.rstrip("/")
    return {**given, "base_url": base, "verify": verification(url, ca)}


def verification(url: str, ca: str | Path | None) -> ssl.SSLContext:
    """What verifies the server: nothing is trusted where the URL has no TLS and no authority is named.

    Loading the system's authorities takes 50 ms and more, and a command over http or a unix socket
    makes no TLS connection.
    """
    if ca is None and not url.lower().startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return tls(ca)


def tls(ca: str | Path | None) -> ssl.SSLContext:
    """Trust of a private authority, or of the system's."""
    return ssl.create_default_context(cafile=None if ca is None else str(ca))


def _project(key: ResourceName) -> tuple[tuple[str, str], ...]:
    return (("project", key.project),) if key.project else ()


def _dry(dry_run: bool) -> tuple[tuple[str, str], ...]:
    return (("dry_run", "true"),) if dry_run else ()


def _match(if_match: int | None) -> dict[str, str]:
    return {} if if_match is None else {"If-Match": f'"{if_match}"'}
