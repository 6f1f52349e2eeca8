"""Shows on a resource of the root that its cluster could not apply it, for the cluster's link.

A RegionService keeps the reason among its facts, and ``service_reconciler`` makes it Error with it; other kinds keep it
in their status reason. An event has it too. Only differences are written, so that a retry without news wakes nobody.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.errors import InternalError
from controller.model.event import EventLevel
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource, parse_key
from controller.store import events, resources
from controller.store.database import Transaction

EVENT = "NotApplied"
MARK = "has not applied this"


def text(cluster: str, error: Exception) -> str:
    """Return the reason as users read it."""
    again = "; it is retried" if isinstance(error, InternalError) else ""
    return f"{_start(cluster)}: {error}{again}"


def show(tx: Transaction, cluster: str, owner: str, reason: str) -> None:
    """Write the reason into the row of an owner; nothing for one that does not exist here or shows it already."""
    key = parse_key(owner)
    row = resources.find(tx, key)
    if row is None or _shown(row) == reason or (_shown(row) and not _shows(row, cluster)):
        return  # of two clusters that have not applied a SecurityGroup the first is shown
    events.record(tx, key.kind, key.path, EVENT, reason, EventLevel.WARNING)
    resources.update(tx, [_showing(row, reason)])


def shown(tx: Transaction, cluster: str, owners: Iterable[str]) -> list[AnyResource]:
    """Return the rows of those owners that show such a reason of this cluster."""
    rows = resources.get_many(tx, [parse_key(owner) for owner in owners]).values()
    return [row for row in rows if _shows(row, cluster)]


def clear(tx: Transaction, cluster: str, owners: Iterable[str]) -> None:
    """Remove the reason from the rows of owners that the cluster has applied."""
    resources.update(tx, [_showing(row, "") for row in shown(tx, cluster, owners)])


def keep(row: AnyResource, reported: str) -> str:
    """Return the status reason for a row of which the cluster reports another: its own stays until it is applied."""
    return row.status_reason if not reported and MARK in row.status_reason else reported


def _start(cluster: str) -> str:
    return f"cluster {cluster} {MARK}"


def _shows(row: AnyResource, cluster: str) -> bool:
    return _shown(row).startswith(f"{_start(cluster)}:")


def _shown(row: AnyResource) -> str:
    if isinstance(row, RegionService):
        return row.facts.not_applied
    return row.status_reason if MARK in row.status_reason else ""


def _showing(row: AnyResource, reason: str) -> AnyResource:
    if not isinstance(row, RegionService):
        return row.model_copy(update={"status_reason": reason})
    observed = {name: value for name, value in row.observed.items() if name != "not_applied"}
    return row.model_copy(update={"observed": {**observed, "not_applied": reason} if reason else observed})
