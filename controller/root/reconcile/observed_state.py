"""Writes what a cluster reports into the root's database.

Computes, Loadbalancers, Nodes and JoinTokens belong to the root: only their status, state and observed facts are taken
over, and the status only for the root's current revision. Assignments, ServiceProcesses and Events belong to the
cluster: the root keeps a copy for its users. Each kind declares this in its replication rules.

The same batch may arrive twice; only differences are written.

Design: H5, K5
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from controller.errors import ResourceError
from controller.model import registry
from controller.model.envelope import Status
from controller.model.kind_rules import Replication
from controller.model.node import Node
from controller.model.registry import AnyResource, Key, key_of
from controller.root.reconcile import not_applied
from controller.store import resources
from controller.store.database import Transaction

_log = structlog.get_logger("observed")
_UPDATING = (Status.UPDATING, Status.UPDATING_SCHEDULED)


@dataclass
class Batch:
    """The parsed reports of one message."""

    resources: list[AnyResource] = field(default_factory=list)
    deleted: list[Key] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    """``str(key)`` of what could not be parsed: it is there, whatever its document says."""
    whole: bool = True
    """False: of something that is there not even the key could be read."""


def parse(cluster: str, documents: Iterable[bytes], deleted: Iterable[str]) -> Batch:
    """Return the documents and the deleted keys of an ObservedBatch, without unknown kinds.

    A newer cluster may report kinds that this root does not have yet. A name that is unique only in its cluster gets
    the name of the cluster as a prefix. What cannot be parsed is logged and left out: it costs no other document.
    """
    known = {kind.name: kind for kind in registry.kinds() if kind.replication.reported}
    batch = Batch()
    for text in documents:
        raw: dict[str, Any] = {}
        try:
            raw = json.loads(text)
            kind = known.get(raw.get("kind", ""))
            if kind is not None:
                if kind.replication.unique_in_cluster:
                    raw["name"] = f"{cluster}.{raw['name']}"
                batch.resources.append(kind.model.read_peer(raw))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            _log.error("a reported document is not readable", cluster=cluster, document=text[:200], error=repr(error))
            key = _key_in(raw)
            batch.whole = batch.whole and bool(key)
            batch.unreadable |= {key} - {""}
    for key in deleted:
        name, _, path = key.partition(" ")
        kind = known.get(name)
        if kind is not None:
            qualified = kind.replication.unique_in_cluster
            batch.deleted.append(registry.key_of_path(name, f"{cluster}.{path}" if qualified else path))
    return batch


def _key_in(raw: object) -> str:
    """Return the key of a document as text; empty if it has none that can be read."""
    try:
        kind = registry.get(raw["kind"])  # type: ignore[index]
        names = [raw[parent] for parent in (*kind.model.parents, "name")]  # type: ignore[index]
        return str(kind.key(*names, project=raw.get("project", "default")))  # type: ignore[attr-defined]
    except (LookupError, TypeError, AttributeError, ValueError, ResourceError):
        return ""


def apply(tx: Transaction, batch: Batch) -> None:
    """Write the differences between the batch and the database."""
    owned = [seen for seen in batch.resources if not _rules(seen).mirrored]
    rows = resources.get_many(tx, [key_of(seen) for seen in owned])
    changed = []
    for seen in owned:
        row = rows.get(key_of(seen))
        if row is None:
            continue
        merged = merge(row, seen)
        if merged is not row:
            changed.append(merged)
    if changed:
        resources.update(tx, changed)
    _mirror(tx, [seen for seen in batch.resources if _rules(seen).mirrored])
    deleted = [key for key in batch.deleted if _rules(key).mirrored]
    present = resources.get_many(tx, deleted)
    if present:
        resources.delete(tx, list(present))


def delete_unlisted(tx: Transaction, cluster: str, listed: set[str]) -> None:
    """Delete the copies of what a whole snapshot of the cluster does not list."""
    stale: list[Key] = []
    for kind in registry.kinds():
        for row in resources.list_all(tx, kind) if kind.replication.mirrored else ():
            if _cluster_of(row) == cluster and str(key_of(row)) not in listed:
                stale.append(key_of(row))
    if stale:
        resources.delete(tx, stale)


def merge(row: AnyResource, seen: AnyResource) -> AnyResource:
    """Return the root's row with the reported facts; the row itself if nothing differs or the uid is another.

    A service that was deleted and created again has other Computes with the same names.
    """
    rules = _rules(row)
    if rules.placed and seen.uid != row.uid:
        return row
    update: dict[str, Any] = {
        "state": seen.state,
        "state_reason": seen.state_reason,
        "observed": _observed(row, seen),
    }
    if rules.placed:
        update["status"], update["status_reason"] = _status(row, seen)
    elif rules.status_from_cluster:
        update["status"], update["status_reason"] = seen.status, not_applied.keep(row, seen.status_reason)
    same = all(getattr(row, name) == value for name, value in update.items())
    return row if same else row.model_copy(update=update)


def _status(row: AnyResource, seen: AnyResource) -> tuple[str, str]:
    """Return the root's status and reason for those that the cluster reports of a placed resource.

    Design: K5
    """
    if row.is_deleting:
        scheduled = seen.is_deleting
        return (Status.DELETING_SCHEDULED.value if scheduled else row.status), seen.status_reason
    if seen.revision != row.revision:
        return row.status, row.status_reason  # a report on an older revision says nothing of this one
    if seen.status in (Status.ACTIVE, Status.ERROR):
        return seen.status, seen.status_reason
    changing = row.status in _UPDATING or seen.status in _UPDATING
    return (Status.UPDATING_SCHEDULED if changing else Status.CREATING_SCHEDULED).value, seen.status_reason


def _observed(row: AnyResource, seen: AnyResource) -> dict[str, Any]:
    """Return the facts that the cluster reports, with those of the root if the kind keeps them.

    That a node's agent has registered is never forgotten: a cluster whose database was restored does not know it.
    """
    if isinstance(row, Node) and row.facts.has_joined:
        return {**seen.observed, "registered": True}
    return {**row.observed, **seen.observed} if _rules(row).keeps_root_facts else seen.observed


def _mirror(tx: Transaction, seen: Sequence[AnyResource]) -> None:
    if not seen:
        return
    rows: Mapping[Key, AnyResource] = resources.get_many(tx, [key_of(item) for item in seen])
    fresh = [item for item in seen if key_of(item) not in rows]
    known = [item for item in seen if key_of(item) in rows]
    # Created again since the root copied it: pruned events, processes of a restored cluster.
    replaced = [item for item in known if rows[key_of(item)].uid != item.uid]
    same = [item for item in known if rows[key_of(item)].uid == item.uid]
    changed = [item for item in same if _differs(rows[key_of(item)], item)]
    if replaced:
        resources.delete(tx, [key_of(item) for item in replaced])
        fresh += replaced
    if fresh:
        resources.insert(tx, fresh)
    if changed:
        resources.update(tx, changed)


def _differs(row: AnyResource, seen: AnyResource) -> bool:
    names = ("spec", "labels", "status", "status_reason", "state", "state_reason", "observed")
    return any(getattr(row, name) != getattr(seen, name) for name in names)


def _rules(item: AnyResource | Key) -> Replication:
    return registry.get(item.kind).replication


def _cluster_of(row: AnyResource) -> str:
    """Return the cluster that a copy came from; empty for a row of the root."""
    if _rules(row).unique_in_cluster:
        cluster, dot, _ = row.name.partition(".")
        return cluster if dot else ""
    return str(getattr(row, "cluster", ""))
