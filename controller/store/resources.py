"""Resources of every kind in one table, read and written in bulk.

A resource is found by its key (kind and path); its uid is never reused. Each write takes one new version per resource,
stores the new form and logs the change, in the caller's transaction. Within a transaction the last write wins. Callers
read and write in the same transaction, and writers run one after the other (``database``), so that no update is lost.

With ``log=False`` a write takes no version and is not logged: for records that nobody watches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError

from controller.errors import Conflict, NotFound
from controller.model import registry
from controller.model.registry import AnyResource, Key, Kind, T, model_of
from controller.store import bulk_statements, changes, references, selectors
from controller.store.changes import Verb
from controller.store.database import Transaction
from controller.store.dialects import among, json_text
from controller.store.row_mapping import IDENTITY, UPDATED, distinct_keys, log_rows, row_of
from controller.store.row_mapping import new_uid as new_uid
from controller.store.selectors import Clause, LabelFilter
from controller.store.tables import claim, from_microseconds, reference, resource, revision

_NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Page:
    """A part of a list, ordered by path; ``next_after`` is the ``after`` of the next part."""

    items: list[AnyResource]
    next_after: str | None
    resource_version: int
    """Version of the snapshot; a watch from this version misses nothing."""


def get(tx: Transaction, key: Key[T]) -> T:
    """Return the resource of that key; raises NotFound."""
    found = find(tx, key)
    if found is None:
        raise NotFound(f"{key} does not exist")
    return found


def find(tx: Transaction, key: Key[T]) -> T | None:
    """Return the resource of that key, or None."""
    statement = select(resource.c.document).where(resource.c.kind == key.kind, resource.c.path == key.path)
    document = tx.connection.execute(statement).scalar_one_or_none()
    return None if document is None else model_of(key).read_stored(document)


def get_many(tx: Transaction, keys: Iterable[Key[T]]) -> dict[Key[T], T]:
    """Return the resources of those keys that exist."""
    found: dict[Key[T], T] = {}
    for kind, by_path in _by_kind(keys).items():
        statement = select(resource.c.path, resource.c.document).where(
            resource.c.kind == kind, among(tx, resource.c.path, list(by_path))
        )
        for row in tx.connection.execute(statement):
            key = by_path[row.path]
            found[key] = model_of(key).read_stored(row.document)
    return found


def get_by_uid(tx: Transaction, uid: str) -> AnyResource:
    """Return the resource with that uid; raises NotFound."""
    row = tx.connection.execute(select(resource.c.kind, resource.c.document).where(resource.c.uid == uid)).first()
    if row is None:
        raise NotFound(f"no resource has the uid {uid!r}")
    return load(row.kind, row.document)


def list_page(
    tx: Transaction,
    kind: str,
    *,
    parents: Sequence[str] = (),
    project: str | None = None,
    of_projects: Sequence[str] = (),
    labels: Sequence[LabelFilter] = (),
    fields: Mapping[str, str] = _NONE,
    limit: int | None = None,
    after: str | None = None,
) -> Page:
    """Return at most ``limit`` resources of a kind whose paths come after ``after``.

    ``parents`` are the parents' names, outermost first, and may be fewer than the kind has. ``of_projects``: leave out
    what belongs to other projects than these, and records about it; none: leave out nothing.
    Raises NotFound for an unknown kind, InvalidInput for an unknown field.
    """
    statement = (
        select(resource.c.path, resource.c.document)
        .where(*_conditions(tx, kind, parents, project, labels, fields))
        .order_by(resource.c.path)
    )
    if of_projects:
        statement = statement.where(*selectors.of_projects(tx, registry.get(kind), of_projects))
    if after is not None:
        statement = statement.where(resource.c.path > after)
    if limit is not None:
        statement = statement.limit(limit + 1)
    rows = tx.connection.execute(statement).all()
    more = limit is not None and len(rows) > limit
    rows = rows[:limit] if more else rows
    items = [load(kind, row.document) for row in rows]
    return Page(items, rows[-1].path if more and rows else None, changes.head(tx))


@overload
def list_all(
    tx: Transaction,
    kind: Kind[T],
    *,
    parents: Sequence[str] = (),
    project: str | None = None,
    labels: Sequence[LabelFilter] = (),
    fields: Mapping[str, str] = _NONE,
) -> list[T]: ...
@overload
def list_all(
    tx: Transaction,
    kind: str,
    *,
    parents: Sequence[str] = (),
    project: str | None = None,
    labels: Sequence[LabelFilter] = (),
    fields: Mapping[str, str] = _NONE,
) -> list[AnyResource]: ...
def list_all(
    tx: Transaction,
    kind: Kind[Any] | str,
    *,
    parents: Sequence[str] = (),
    project: str | None = None,
    labels: Sequence[LabelFilter] = (),
    fields: Mapping[str, str] = _NONE,
) -> list[Any]:
    """Return all resources that match, ordered by path. Pass a name where the kind is known at run time only."""
    name = kind if isinstance(kind, str) else kind.name
    return list_page(tx, name, parents=parents, project=project, labels=labels, fields=fields).items


def list_referring(tx: Transaction, kind: Kind[T], targets: Iterable[Key[Any]]) -> list[T]:
    """Return the resources of a kind whose fields name any of the targets, ordered by path.

    There is one query for each kind of the targets.
    """
    found: dict[str, T] = {}
    for target_kind, by_path in _by_kind(targets).items():
        naming = select(reference.c.from_path).where(
            reference.c.from_kind == kind.name,
            reference.c.to_kind == target_kind,
            among(tx, reference.c.to_path, list(by_path)),
        )
        statement = select(resource.c.path, resource.c.document).where(
            resource.c.kind == kind.name, resource.c.path.in_(naming)
        )
        for row in tx.connection.execute(statement):
            if row.path not in found:
                found[row.path] = kind.model.read_stored(row.document)
    return [found[path] for path in sorted(found)]


def marks(tx: Transaction, kind: str, parents: Sequence[str] = ()) -> dict[str, tuple[str, int]]:
    """Return (uid, version) by path of a kind's resources, to check whether one has changed since it was read."""
    statement = select(resource.c.path, resource.c.uid, resource.c.resource_version).where(
        *_conditions(tx, kind, parents, None, (), _NONE)
    )
    return {row[0]: (row[1], row[2]) for row in tx.connection.execute(statement)}


def texts(tx: Transaction, kind: str, fields: Sequence[str], *, given: str) -> list[tuple[str | None, ...]]:
    """Return the texts at dotted paths of each resource of a kind that has one at ``given``.

    For facts of very many resources: only the database parses the documents.
    """

    def at(field: str) -> ColumnElement[str]:
        return json_text(tx, resource.c.document, field.split("."))

    statement = (
        select(*map(at, fields)).where(resource.c.kind == kind, at(given).is_not(None)).order_by(resource.c.path)
    )
    return [tuple(row) for row in tx.connection.execute(statement)]


def raw_pages(
    tx: Transaction,
    kind: str,
    *,
    project: str | None = None,
    clauses: Sequence[Clause] = (),
    size: int,
) -> Iterator[list[str]]:
    """Yield the stored JSON of all that match all clauses, ordered by path, ``size`` at a time, without parsing it."""
    wanted = _conditions(tx, kind, (), project, (), {})
    wanted += [selectors.clause_condition(tx, kind, clause) for clause in clauses]
    statement = select(resource.c.path, resource.c.document).order_by(resource.c.path).limit(size)
    after = ""
    while rows := tx.connection.execute(statement.where(*wanted, resource.c.path > after)).all():
        yield [row.document for row in rows]
        if len(rows) < size:
            return
        after = rows[-1].path


def raw_many(tx: Transaction, keys: Iterable[Key]) -> dict[Key, str]:
    """Return the stored JSON of those keys that exist."""
    found: dict[Key, str] = {}
    for kind, by_path in _by_kind(keys).items():
        statement = select(resource.c.path, resource.c.document).where(
            resource.c.kind == kind, among(tx, resource.c.path, list(by_path))
        )
        found |= {by_path[row.path]: row.document for row in tx.connection.execute(statement)}
    return found


def count(
    tx: Transaction,
    kind: str,
    *,
    parents: Sequence[str] = (),
    project: str | None = None,
    labels: Sequence[LabelFilter] = (),
    fields: Mapping[str, str] = _NONE,
) -> int:
    """Return how many resources match."""
    wanted = _conditions(tx, kind, parents, project, labels, fields)
    return tx.connection.execute(select(func.count()).select_from(resource).where(*wanted)).scalar_one()


def insert(tx: Transaction, resources: Sequence[T], *, log: bool = True) -> list[T]:
    """Store new resources; return them with uid, version and times. Raises Conflict if one exists already.

    There is no query before the insert: the table's keys detect a conflict, and only then its names are read.
    """
    if not resources:
        return []
    keys = distinct_keys(resources)
    stored: list[T] = []
    rows: list[dict[str, Any]] = []

    def made(version: int) -> Iterator[dict[str, Any]]:
        for offset, (key, given) in enumerate(zip(keys, resources, strict=True)):
            new = given.model_copy(
                update={
                    "uid": given.uid or new_uid(tx),
                    "resource_version": version + offset if log else given.resource_version,
                    "created_at": given.created_at or tx.now,
                    "updated_at": tx.now,
                }
            )
            stored.append(new)
            rows.append(row_of(key, new))
            yield rows[-1]

    try:
        with tx.connection.begin_nested():  # nothing must stay written for a caller that continues after the Conflict
            bulk_statements.insert(tx, resource, made(tx.take_versions(len(resources)) if log else 0))
    except IntegrityError:
        if not (taken := _stored(tx, keys)):
            raise
        names = sorted(str(key) for key in taken)
        raise Conflict(f"{names[0]} exists already", users=names[:20], user_count=len(names)) from None
    if log:
        changes.record(tx, Verb.CREATED, log_rows(rows))
    references.store(tx, stored)
    return stored


def update(tx: Transaction, resources: Sequence[T], *, log: bool = True) -> list[T]:
    """Replace stored resources by key; return them with new version and time.

    The uid and the time of creation stay as stored. Raises NotFound if one does not exist, Conflict if it was
    deleted and created again since it was read.
    """
    if not resources:
        return []
    keys = distinct_keys(resources)
    stored, rows = _replaced(tx, keys, resources) if log else ([], [])
    if not stored:
        stored = _corrected(tx, keys, resources, log=log)
        rows = [row_of(key, new) for key, new in zip(keys, stored, strict=True)]
        bulk_statements.update(tx, resource, ("kind", "path"), [{name: row[name] for name in UPDATED} for row in rows])
    if log:
        changes.record(tx, Verb.UPDATED, log_rows(rows))
    references.store(tx, stored)
    return stored


def _replaced(tx: Transaction, keys: Sequence[Key], resources: Sequence[T]) -> tuple[list[T], list[dict[str, Any]]]:
    """Write the resources if the database has each of them with its uid; return what was stored, and the rows.

    Otherwise nothing is written, no version is taken, and both are empty.
    """
    if not all(given.uid and given.created_at for given in resources):
        return [], []
    undo = tx.connection.begin_nested()
    version = tx.take_versions(len(resources))
    stored = [
        given.model_copy(update={"resource_version": version + offset, "updated_at": tx.now})
        for offset, given in enumerate(resources)
    ]
    rows = [row_of(key, new) for key, new in zip(keys, stored, strict=True)]
    changing = [{name: row[name] for name in dict.fromkeys((*IDENTITY, *UPDATED))} for row in rows]
    if bulk_statements.update(tx, resource, IDENTITY, changing) == len(rows):
        undo.commit()
        return stored, rows
    undo.rollback()
    return [], []


def _corrected(tx: Transaction, keys: Sequence[Key], resources: Sequence[T], *, log: bool) -> list[T]:
    """Return the resources as they are to be stored, with the uids of the stored ones.

    Raises NotFound or Conflict before it takes versions.
    """
    known = _stored(tx, keys)
    for key, given in zip(keys, resources, strict=True):
        if key not in known:
            raise NotFound(f"{key} does not exist")
        if given.uid and given.uid != known[key].uid:
            raise Conflict(f"{key} was deleted and created again")
    version = tx.take_versions(len(resources)) if log else 0
    return [
        given.model_copy(
            update={
                "uid": known[key].uid,
                "resource_version": version + offset if log else known[key].resource_version,
                "created_at": from_microseconds(known[key].created_at),
                "updated_at": tx.now,
            }
        )
        for offset, (key, given) in enumerate(zip(keys, resources, strict=True))
    ]


def delete(tx: Transaction, keys: Iterable[Key], *, log: bool = True) -> None:
    """Delete resources with their revisions, references and claims; keys that do not exist are ignored."""
    for kind, by_path in _by_kind(keys).items():
        here = (resource.c.kind == kind, among(tx, resource.c.path, list(by_path)))
        columns = (resource.c.path, resource.c.uid, resource.c.document)
        rows = tx.connection.execute(select(*columns).where(*here).order_by(resource.c.path)).all()
        if not rows:
            continue
        tx.connection.execute(sql_delete(resource).where(*here))
        uids = [row.uid for row in rows]
        tx.connection.execute(sql_delete(revision).where(among(tx, revision.c.uid, uids)))
        tx.connection.execute(sql_delete(claim).where(among(tx, claim.c.owner, uids)))
        references.forget(tx, kind, [row.path for row in rows])
        if log:
            _log_deleted(tx, kind, rows)


def load(kind: str, document: str) -> AnyResource:
    """Return a stored document as a model object."""
    return registry.get(kind).model.read_stored(document)


def _log_deleted(tx: Transaction, kind: str, rows: Sequence[Any]) -> None:
    version = tx.take_versions(len(rows))
    logged = []
    for offset, row in enumerate(rows):
        last = load(kind, row.document).model_copy(update={"resource_version": version + offset, "updated_at": tx.now})
        logged.append((version + offset, kind, row.path, last.model_dump_json()))
    changes.record(tx, Verb.DELETED, logged)


def _by_kind(keys: Iterable[Key[T]]) -> dict[str, dict[str, Key[T]]]:
    grouped: dict[str, dict[str, Key[T]]] = defaultdict(dict)
    for key in keys:
        grouped[key.kind][key.path] = key
    return grouped


def _stored(tx: Transaction, keys: Iterable[Key]) -> dict[Key, Any]:
    found: dict[Key, Any] = {}
    for kind, by_path in _by_kind(keys).items():
        statement = select(resource.c.path, resource.c.uid, resource.c.resource_version, resource.c.created_at).where(
            resource.c.kind == kind, among(tx, resource.c.path, list(by_path))
        )
        for row in tx.connection.execute(statement):
            found[by_path[row.path]] = row
    return found


def _conditions(
    tx: Transaction,
    kind: str,
    parents: Sequence[str],
    project: str | None,
    labels: Sequence[LabelFilter],
    fields: Mapping[str, str],
) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [resource.c.kind == kind]
    if parents:
        parent = "/".join(parents)
        if len(parents) < len(registry.get(kind).parents):
            wanted.append(or_(resource.c.parent == parent, resource.c.parent.startswith(f"{parent}/", autoescape=True)))
        else:
            wanted.append(resource.c.parent == parent)
    if project is not None:
        wanted.append(resource.c.project == project)
    return wanted + selectors.conditions(tx, kind, labels, fields)
