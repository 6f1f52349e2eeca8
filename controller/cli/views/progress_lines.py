"""How far requested work is, in one line for each resource: moves, scaling and deletions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from controller.cli.tables import dig, text
from controller.cli.waiting import Progress
from controller.counted import counted

Document = Mapping[str, Any]


def deletion(item: Document | None) -> Progress:
    """Return how far a deletion is; the resource no longer exists when it is done.

    A resource that is not being deleted is a newer one of the same name: the one to delete no longer exists.
    """
    status = text(item.get("status")) if item is not None else ""
    if item is None or not status.startswith("Deleting"):
        return Progress("deleted", done=True)
    reason = text(item.get("status_reason"))
    return Progress(status + ("" if reason == "-" else f": {reason}"))


def scaling(item: Document | None) -> Progress:
    """Return how far a service is from its number of replicas."""
    if item is None:
        return Progress("the service was deleted", failed=True)
    wanted, made, ready = (dig(item, path) or 0 for path in ("spec.replicas", "observed.replicas", "observed.ready"))
    if item.get("status") == "Error":
        return Progress(f"Error: {text(item.get('status_reason'))}", failed=True)
    counts = f"{ready} of {wanted} ready" + (f", {made - wanted} to be deleted" if made > wanted else "")
    return Progress(counts, done=made == ready == wanted and item.get("status") == "Active")


def migration(before: Document) -> Callable[[Document | None], Progress]:
    """Return how far a migration is that was requested when the Compute was like ``before``."""
    source, failure = dig(before, "observed.node"), dig(before, "observed.migration_failed")

    def progress(item: Document | None) -> Progress:
        if item is None:
            return Progress("the Compute was deleted", failed=True)
        node, target = dig(item, "observed.node"), dig(item, "observed.migrating_to")
        if (dig(item, "observed.migrations") or 0) < (dig(item, "spec.migrations") or 0):
            return Progress(f"on {text(node)}, waits for the cluster")
        if target:
            return Progress(f"moves from {text(node)} to {target}")
        if node != source:
            return Progress(f"on {text(node)}", done=True)
        failed = dig(item, "observed.migration_failed")
        reason = dig(failed, "reason") if failed != failure else None
        return Progress(f"stays on {text(node)}" + (f": {reason}" if reason else ""), failed=True)

    return progress


def drain(item: Document | None) -> Progress:
    """Return how far the drain of a node is."""
    if item is None:
        return Progress("the node was deleted", done=True)
    if is_empty(item):
        return Progress("empty", done=True)
    left = dig(item, "observed.drain.remaining") or dig(item, "observed.computes") or 0
    moving = dig(item, "observed.drain.moving") or {}
    blocked = dig(item, "observed.drain.blocked_by") or ()
    words = [f"{counted(left, 'Compute')} left" if left else "waits for the cluster"]
    words += [f"{resource} moves to {target}" for resource, target in sorted(moving.items())]
    words += [f"blocked: {each['resource']}: {each['reason']}" for each in blocked]
    return Progress("; ".join(words))


def is_empty(node: Document) -> bool:
    """Return whether the cluster has reported for this drain that nothing remains to be moved."""
    return dig(node, "observed.drain.remaining") == 0 and not dig(node, "observed.computes")
