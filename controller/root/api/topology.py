"""GET /v1/topology: what an inventory needs of a whole site, as NDJSON, as of one version.

The first line is the head ``{topology, resource_version, tag, kinds}``, then each resource is a line, parents before
children and ordered by path inside a kind, and the last line is ``{end, counts}``: without it the answer is not
complete. A resource is narrowed to where it is, how it is reached and what room it has; scripts and keys of machines
are never sent.

Everything is read in one transaction, page by page, into a temporary file, and sent from there: memory stays bounded,
a slow client holds no transaction open, and the status says whether the database could be read.

``tag`` is also the ETag. With If-None-Match the answer is 304 as long as none of these kinds has changed since, for a
client that may see the same; changes of other kinds do not count.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import IO, Literal

from starlette.responses import Response

from controller.errors import VersionsGone
from controller.model import registry
from controller.root.api import access, topology_filters, topology_lines
from controller.root.api import query as q
from controller.root.api.answers import TopologyLine
from controller.root.api.held_response import HeldResponse
from controller.root.api.operation import Call, bad
from controller.root.api.query import Parameter
from controller.root.api.render import line
from controller.root.api.topology_filters import Clauses
from controller.root.api.watch import MEDIA_TYPE
from controller.store import changes, schema
from controller.store.database import Transaction

FORMAT: Literal[1] = 1
"""Grows when a reader of the format before could not read it correctly."""
_IN_MEMORY = 1 << 20
_PIECE = 1 << 16
_LONGEST = 4000
_KIND = r"([A-Z][A-Za-z0-9]*:)?"

KINDS = Parameter(
    "kinds",
    "Kinds that are sent, separated by commas; none: all that a topology has.",
    {"type": "string", "minLength": 1, "maxLength": 400},
    example="Node,Rack",
)
PROJECT = Parameter(
    "project", "Only Computes of the project; none: of every project that the token may read.", q.NAME_SCHEMA
)
LABEL = Parameter(
    "label",
    "Only what has the label, as in lists. With `Kind:` before it for that kind, else for nodes, Computes and physical "
    "resources; several: all must hold. Filters with `||` between them are alternatives.",
    {"type": "string", "minLength": 1, "maxLength": _LONGEST},
    repeated=True,
    example="Node:env=lab",
)
FIELD = Parameter(
    "field",
    "Only what has the value, as in lists, or with `!=` only what does not; with `Kind:` and `||` as in `label`.",
    {"type": "string", "pattern": rf"^{_KIND}[a-z_][a-z0-9_.]*!?=", "maxLength": _LONGEST},
    repeated=True,
    example="Node:observed.zones.rack=floor-1-1-1-rack-1-1",
)


@dataclass(frozen=True)
class Asked:
    """What one client asks for, and may see."""

    kinds: tuple[str, ...]
    projects: tuple[str, ...] | None
    """Projects of Computes; None: all."""
    clauses: Clauses

    def digest(self, site: str) -> str:
        """Return a digest that differs between requests with different answers, and between sites."""
        return hashlib.sha256(repr((FORMAT, site, self)).encode()).hexdigest()[:16]

    @property
    def depends(self) -> tuple[str, ...]:
        """Kinds whose changes may change the answer: the line of a node contains its machine."""
        more = ("PhysicalResource",) if "Node" in self.kinds and "PhysicalResource" not in self.kinds else ()
        return (*self.kinds, *more)


async def topology(call: Call) -> Response:
    """Answer with the topology, or 304."""
    asked = _asked(call)
    async with AsyncExitStack() as held:
        held.enter_context(call.services.limits.downloads.counted(call.token.uid, call.token.name))
        spool = held.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="topology-"))  # noqa: SIM115
        tag, unchanged = await _read(call, asked, spool)
        if unchanged:
            return Response(status_code=304, headers={"ETag": f'"{tag}"', **_HEADERS})
        length = spool.tell()
        spool.seek(0)
        headers = {"ETag": f'"{tag}"', "Content-Length": str(length), **_HEADERS}
        return HeldResponse(_pieces(spool), held.pop_all(), media_type=MEDIA_TYPE, headers=headers)


async def _read(call: Call, asked: Asked, spool: IO[bytes]) -> tuple[str, bool]:
    """Write the topology to the file, unless the client has it. Return its tag, and whether the client has it."""

    def work(tx: Transaction) -> tuple[str, bool]:
        spool.seek(0)
        spool.truncate()
        digest = asked.digest(schema.site(tx.connection))
        known = _known_version(call.request.headers.get("if-none-match"), digest)
        if known is not None and _unchanged(tx, known, asked.depends):
            return f"{known}-{digest}", True
        version = changes.head(tx)
        tag = f"{version}-{digest}"
        _write(tx, asked, spool, version, tag)
        return tag, False

    return await call.services.db.aread(work)


_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


async def _pieces(spool: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := spool.read(_PIECE):
        yield piece


def _write(tx: Transaction, asked: Asked, out: IO[bytes], version: int, tag: str) -> None:
    out.write(line(TopologyLine(topology=FORMAT, resource_version=version, tag=tag, kinds=list(asked.kinds))))
    counts = dict.fromkeys(asked.kinds, 0)
    for kind in asked.kinds:
        for resource in topology_lines.of_kind(
            tx,
            kind,
            projects=asked.projects if registry.get(kind).per_project else None,
            clauses=[clause for name, clause in asked.clauses if name == kind],
        ):
            out.write(resource)
            counts[kind] += 1
    out.write(line(TopologyLine(end=True, counts=counts)))


def _unchanged(tx: Transaction, version: int, kinds: Sequence[str]) -> bool:
    try:
        return not changes.since(tx, version, 1, kinds)
    except VersionsGone:
        return False


def _known_version(header: str | None, digest: str) -> int | None:
    """Return the version of the answer that the client has, if it was the answer to the same request."""
    found = re.search(rf'"([0-9]{{1,18}})-{digest}"', header or "")
    return int(found[1]) if found else None


def _asked(call: Call) -> Asked:
    kinds = _kinds(call)
    project = call.query.name(PROJECT)
    if project is not None:
        access.check_read(call.token, registry.get("Compute"), project)
    projects = (project,) if project is not None else tuple(sorted(call.token.spec.projects)) or None
    labels = topology_filters.labels_of(call.query.texts(LABEL), kinds)
    fields = topology_filters.fields_of(call.query.texts(FIELD), kinds, call.token)
    return Asked(kinds, projects, (*labels, *fields))


def _kinds(call: Call) -> tuple[str, ...]:
    """Return the kinds in the order of the registry, so that parents come first."""
    text = call.query.text(KINDS)
    if text is None:
        return topology_lines.KINDS
    asked = set(text.split(","))
    if unknown := sorted(asked - set(topology_lines.KINDS)):
        raise bad("query.kinds", f"{unknown[0]!r} is not in a topology; known: {', '.join(topology_lines.KINDS)}")
    return tuple(kind for kind in topology_lines.KINDS if kind in asked)
