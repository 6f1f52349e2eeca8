"""What a cluster reports, written into the root's rows (H5, K5).

Computes, Loadbalancers and Nodes belong to the root: only their status, state and observed facts
are taken over, and only for the revision that the root has now. Assignments, ServiceProcesses and
Events belong to the cluster: the root keeps a copy for its users.

The same batch may come twice; only differences are written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.model import registry
from controller.model.envelope import Status
from controller.model.registry import AnyResource, Key, key_of
from controller.store import resources
from controller.store.database import Transaction

OWNED = ("Compute", "Loadbalancer", "Node", "JoinToken")
"""Kinds whose rows are the root's: what was seen is taken over."""
MIRRORED = ("Assignment", "ServiceProcess", "Event")
"""Kinds that are the cluster's: copies are kept."""
QUALIFIED = ("ServiceProcess", "Event")
"""Mirrored kinds whose names are unique only in their cluster: two clusters may have a process of one name."""
LISTED = ("Compute", "Loadbalancer")
"""Kinds that the root lets go of only when the cluster lists them no longer."""

_UPDATING = (Status.UPDATING, Status.UPDATING_SCHEDULED)


@dataclass
class Batch:
    """Reports of one message, parsed."""

    resources: list[AnyResource] = field(default_factory=list)
    deleted: list[Key] = field(default_factory=list)


def parse(cluster: str, documents: Iterable[bytes], deleted: Iterable[str]) -> Batch:
    """Documents and deleted keys of an ObservedBatch; kinds that we do not know are passed over.

    A newer cluster may report kinds that this root does not have yet. Names that are unique only in
    their cluster get the cluster's before them.
    """
    batch = Batch()
    for text in documents:
        raw: dict[str, Any] = json.loads(text)
        if raw.get("kind") in (*OWNED, *MIRRORED):
            if raw["kind"] in QUALIFIED:
                raw["name"] = f"{cluster}.{raw['name']}"
            batch.resources.append(registry.get(raw["kind"]).model.model_validate(raw))
    for word in deleted:
        kind, _, path = word.partition(" ")
        if kind in (*OWNED, *MIRRORED):
            batch.deleted.append(registry.key_of_path(kind, f"{cluster}.{path}" if kind in QUALIFIED else path))
    return batch


def apply(tx: Transaction, batch: Batch) -> None:
    """Write what is new in the batch."""
    owned = [seen for seen in batch.resources if seen.kind in OWNED]
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
    _mirror(tx, [seen for seen in batch.resources if seen.kind in MIRRORED])
    gone = [key for key in batch.deleted if key.kind in MIRRORED]
    present = resources.get_many(tx, gone)
    if present:
        resources.delete(tx, list(present))


def forget_unlisted(tx: Transaction, cluster: str, listed: set[str]) -> None:
    """After a whole snapshot: drop the copies of what the cluster no longer has."""
    stale: list[Key] = []
    for kind in MIRRORED:
        for row in resources.list_all(tx, kind):
            if _cluster_of(row) == cluster and str(key_of(row)) not in listed:
                stale.append(key_of(row))
    if stale:
        resources.delete(tx, stale)


def merge(row: AnyResource, seen: AnyResource) -> AnyResource:
    """The root's row with what was seen; the row itself when nothing differs, or when another was seen.

    A service that was deleted and made again gives the same names to other Computes.
    """
    if row.kind in LISTED and seen.uid != row.uid:
        return row
    update: dict[str, Any] = {
        "state": seen.state,
        "state_reason": seen.state_reason,
        "observed": _observed(row, seen),
    }
    if seen.kind in LISTED:
        update["status"], update["status_reason"] = _status(row, seen)
    elif seen.kind == "Node":
        update["status"], update["status_reason"] = seen.status, seen.status_reason
    same = all(getattr(row, name) == value for name, value in update.items())
    return row if same else row.model_copy(update=update)


def _status(row: AnyResource, seen: AnyResource) -> tuple[str, str]:
    """The root's word for what the cluster says of a Compute or Loadbalancer (K5)."""
    if row.is_deleting:
        scheduled = seen.is_deleting
        return (Status.DELETING_SCHEDULED.value if scheduled else row.status), seen.status_reason
    if seen.revision != row.revision:
        return row.status, row.status_reason  # an older wish: it says nothing of this one
    if seen.status in (Status.ACTIVE, Status.ERROR):
        return seen.status, seen.status_reason
    changing = row.status in _UPDATING or seen.status in _UPDATING
    return (Status.UPDATING_SCHEDULED if changing else Status.CREATING_SCHEDULED).value, seen.status_reason


def _observed(row: AnyResource, seen: AnyResource) -> dict[str, Any]:
    """JoinTokens keep what the root noted; all else is as the cluster says."""
    return {**row.observed, **seen.observed} if row.kind == "JoinToken" else seen.observed


def _mirror(tx: Transaction, seen: Sequence[AnyResource]) -> None:
    if not seen:
        return
    rows: Mapping[Key, AnyResource] = resources.get_many(tx, [key_of(item) for item in seen])
    fresh = [item for item in seen if key_of(item) not in rows]
    known = [item for item in seen if key_of(item) in rows]
    # Made anew since we copied it: events that were pruned, processes of a restored cluster.
    anew = [item for item in known if rows[key_of(item)].uid != item.uid]
    same = [item for item in known if rows[key_of(item)].uid == item.uid]
    changed = [item for item in same if _differs(rows[key_of(item)], item)]
    if anew:
        resources.delete(tx, [key_of(item) for item in anew])
        fresh += anew
    if fresh:
        resources.insert(tx, fresh)
    if changed:
        resources.update(tx, changed)


def _differs(row: AnyResource, seen: AnyResource) -> bool:
    names = ("spec", "labels", "status", "status_reason", "state", "state_reason", "observed")
    return any(getattr(row, name) != getattr(seen, name) for name in names)


def _cluster_of(row: AnyResource) -> str:
    """The cluster that a copy came from; empty for the root's own."""
    if row.kind in QUALIFIED:
        cluster, dot, _ = row.name.partition(".")
        return cluster if dot else ""
    return str(getattr(row, "cluster", ""))
