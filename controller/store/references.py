"""References between resources: fields with ``x-reference``, parents and projects.

A field declares which kind it names. The names of that kind's parents are taken from the object that holds the field,
then from the resource, then from the resource's cluster (its datacenter and region). A reference whose parents are
still unknown (a network of a service whose cluster is not chosen yet) is not checked here.

References are stored with each write, for ``users``; ``check`` runs before a write. Both run in the caller's
transaction, so that the result of the check still holds at the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from sqlalchemy import delete, func, or_, select

from controller.errors import InvalidInput, Problem
from controller.model import registry
from controller.model.access import PROJECT
from controller.model.cluster import CLUSTER, Cluster
from controller.model.fields import facts
from controller.model.registry import AnyResource, Key, key_of
from controller.store import bulk_statements
from controller.store.database import Transaction
from controller.store.dialects import among
from controller.store.tables import reference, resource


@dataclass(frozen=True)
class Reference:
    """The resource that one field names."""

    field: str
    """Dotted path of the field."""
    target: Key


def check(tx: Transaction, resources: Sequence[AnyResource]) -> None:
    """Raise InvalidInput naming every field that names something that does not exist."""
    if problems := unresolved(tx, resources):
        raise InvalidInput(problems)


def unresolved(tx: Transaction, resources: Sequence[AnyResource]) -> list[Problem]:
    """Return what ``check`` would refuse. Members of the batch count as existing.

    With several resources each path starts with the resource's ``[index]``.
    """
    clusters = _Clusters(tx, resources)
    wanted = [(index, found) for index, given in enumerate(resources) for found in _all_of(given, clusters)]
    missing = {found.target for _, found in wanted} - {key_of(given) for given in resources}
    missing -= _existing(tx, missing)
    several = len(resources) > 1
    return [
        Problem(f"[{index}].{found.field}" if several else found.field, f"{found.target} does not exist")
        for index, found in wanted
        if found.target in missing
    ]


def users(tx: Transaction, key: Key, limit: int = 20, *, ignoring: Collection[Key] = ()) -> tuple[list[str], int]:
    """Return which resources refer to ``key``, its children included: at most ``limit``, and the total.

    ``ignoring`` is left out: what is to be deleted in the same transaction.
    """
    left_out = {(other.kind, other.path) for other in (*ignoring, key)}
    sources = [
        select(reference.c.from_kind, reference.c.from_path).where(
            reference.c.to_kind == key.kind,
            reference.c.to_path == key.path,
            or_(reference.c.from_kind != key.kind, reference.c.from_path != key.path),  # none keeps itself in use
        )
    ]
    children = [kind.name for kind in registry.kinds() if kind.parent == key.kind]
    if children:
        sources.append(
            select(resource.c.kind, resource.c.path).where(resource.c.kind.in_(children), resource.c.parent == key.path)
        )
    contains_by_project = registry.get(key.kind).contains_by_project
    if contains_by_project:
        sources.append(select(resource.c.kind, resource.c.path).where(resource.c.project == key.path))
    if not left_out - {(key.kind, key.path)} and not contains_by_project:
        return _some_users(tx, sources, limit)
    found = {(row[0], row[1]) for source in sources for row in tx.connection.execute(source)} - left_out
    return [f"{kind} {path}" for kind, path in sorted(found)[:limit]], len(found)


def paths_of_users(tx: Transaction, kind: str, key: Key) -> list[str]:
    """Return the paths of the resources of ``kind`` with a field that names ``key``."""
    match = (reference.c.to_kind == key.kind, reference.c.to_path == key.path, reference.c.from_kind == kind)
    return list(tx.connection.execute(select(reference.c.from_path).where(*match).distinct()).scalars())


def used(tx: Transaction, keys: Iterable[Key]) -> set[Key]:
    """Return those of the keys that resources refer to, children included: ``users`` for many keys, without names.

    The members of projects do not count here.
    """
    found: set[Key] = set()
    by_name = {(key.kind, key.path): key for key in keys}
    for kind, paths in _grouped(by_name.values()).items():
        edges = select(reference.c.to_path).where(reference.c.to_kind == kind, among(tx, reference.c.to_path, paths))
        sources = [edges]
        if children := [child.name for child in registry.kinds() if child.parent == kind]:
            inside = (resource.c.kind.in_(children), among(tx, resource.c.parent, paths))
            sources.append(select(resource.c.parent).where(*inside))
        for source in sources:
            found.update(by_name[kind, path] for path in tx.connection.execute(source.distinct()).scalars())
    return found


def store(tx: Transaction, resources: Sequence[AnyResource]) -> None:
    """Store the references of resources as they now are; only for the module ``resources``."""
    pointing = [given for given in resources if _plan(type(given))]
    if not pointing:
        return
    clusters = _Clusters(tx, resources)
    now = {
        (key.kind, key.path, found.target.kind, found.target.path)
        for given in pointing
        for key in (key_of(given),)
        for found in _named_by(given, clusters)
    }
    before: set[tuple[str, str, str, str]] = set()
    for kind, paths in _grouped(key_of(given) for given in pointing).items():
        statement = select(reference).where(reference.c.from_kind == kind, among(tx, reference.c.from_path, paths))
        before.update((row[0], row[1], row[2], row[3]) for row in tx.connection.execute(statement))
    names = ("from_kind", "from_path", "to_kind", "to_path")
    for outdated in before - now:
        match = [reference.c[name] == value for name, value in zip(names, outdated, strict=True)]
        tx.connection.execute(delete(reference).where(*match))
    bulk_statements.insert(tx, reference, [dict(zip(names, edge, strict=True)) for edge in sorted(now - before)])


def forget(tx: Transaction, kind: str, paths: Sequence[str]) -> None:
    """Delete the references of deleted resources; only for the module ``resources``."""
    tx.connection.execute(
        delete(reference).where(reference.c.from_kind == kind, among(tx, reference.c.from_path, paths))
    )


class _Clusters:
    """The specs of the clusters that a batch names, each read at most once."""

    def __init__(self, tx: Transaction, resources: Iterable[AnyResource]) -> None:
        self._tx = tx
        self._known: dict[str, Any] = {given.name: given.spec for given in resources if isinstance(given, Cluster)}

    def spec(self, name: str) -> Any:
        if name not in self._known:
            statement = select(resource.c.document).where(resource.c.kind == CLUSTER.name, resource.c.path == name)
            document = self._tx.connection.execute(statement).scalar_one_or_none()
            self._known[name] = None if document is None else CLUSTER.model.read_stored(document).spec
        return self._known[name]


@dataclass(frozen=True)
class _Step:
    """A field of a model on the path to a reference; ``inner`` has the steps inside it."""

    name: str
    target: str | None
    inner: tuple[_Step, ...]


@cache
def _plan(model: type[BaseModel]) -> tuple[_Step, ...]:
    """Return the fields of a model that are or contain references, except its parents."""
    parents: tuple[str, ...] = getattr(model, "parents", ())
    steps = []
    for name, info in model.model_fields.items():
        if name in parents:
            continue
        target = facts(info).get("x-reference")
        inner = tuple(step for part in _parts(info.annotation) for step in _plan(part))
        if target or inner:
            steps.append(_Step(name, target, inner))
    return tuple(steps)


def _parts(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for argument in get_args(annotation) for part in _parts(argument)]


def _all_of(given: AnyResource, clusters: _Clusters) -> Iterator[Reference]:
    kind = registry.get(given.kind)
    if kind.parent is not None:
        yield Reference(kind.parents[-1], registry.get(kind.parent).key(*given.parent_names, project=given.project))
    yield Reference("project", PROJECT.key(given.project))
    yield from _named_by(given, clusters)


def _named_by(given: AnyResource, clusters: _Clusters) -> Iterator[Reference]:
    yield from _walk(given, _plan(type(given)), "", (given,), clusters)


def _walk(
    holder: BaseModel, steps: Sequence[_Step], path: str, around: tuple[BaseModel, ...], clusters: _Clusters
) -> Iterator[Reference]:
    for step in steps:
        value = getattr(holder, step.name)
        here = f"{path}.{step.name}" if path else step.name
        members = enumerate(value) if isinstance(value, tuple | list) else [(None, value)]
        for index, member in members:
            if member is None:
                continue
            at = here if index is None else f"{here}[{index}]"
            if step.target is not None:
                if (target := _target(step.target, str(member), around, clusters)) is not None:
                    yield Reference(at, target)
            else:
                yield from _walk(member, step.inner, at, (*around, member), clusters)


def _target(kind_name: str, name: str, around: tuple[BaseModel, ...], clusters: _Clusters) -> Key | None:
    kind = registry.get(kind_name)
    names = [_parent_name(parent, around, clusters) for parent in kind.parents]
    if not all(names):
        return None
    return kind.key(*(found for found in names if found), name, project=getattr(around[0], "project", "default"))


def _parent_name(parent: str, around: tuple[BaseModel, ...], clusters: _Clusters) -> str | None:
    for holder in reversed(around):
        # the class is checked first, because pydantic is slow to report a missing attribute
        if parent in type(holder).model_fields and (value := getattr(holder, parent)) is not None:
            return str(value)
    cluster = getattr(around[0], "cluster", None)
    spec = clusters.spec(cluster) if cluster else None
    value = getattr(spec, parent, None)
    return None if value is None else str(value)


def _grouped(keys: Iterable[Key]) -> Mapping[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for key in keys:
        grouped.setdefault(key.kind, []).append(key.path)
    return grouped


def _existing(tx: Transaction, keys: Collection[Key]) -> set[Key]:
    found: set[Key] = set()
    by_name = {(key.kind, key.path): key for key in keys}
    for kind, paths in _grouped(keys).items():
        statement = select(resource.c.path).where(resource.c.kind == kind, among(tx, resource.c.path, paths))
        found.update(by_name[kind, path] for path in tx.connection.execute(statement).scalars())
    return found


def _some_users(tx: Transaction, sources: Sequence[Any], limit: int) -> tuple[list[str], int]:
    both = sources[0] if len(sources) == 1 else sources[0].union(*sources[1:])
    inner = both.subquery()
    total = tx.connection.execute(select(func.count()).select_from(inner)).scalar_one()
    first, second = inner.c
    rows = tx.connection.execute(select(first, second).order_by(first, second).limit(limit)) if total else ()
    return [f"{kind} {path}" for kind, path in rows], total
