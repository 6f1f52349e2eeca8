"""The state of nodes from their heartbeats, and the usage of nodes that users see.

``ClusterController.watch_nodes`` calls these functions. It keeps the nodes in memory from the change
feed, so that a second without changes costs one small read, however many nodes there are; only
differences are written.

A node is Up with a heartbeat within ``unknown_after`` seconds, Down without one for ``down_after``
seconds, and Unknown between. What follows from a state (drains, rebuilds) is decided elsewhere.

Design: G6
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.model.node import NODE, Capacity, Node, NodeHold
from controller.model.registry import key_of
from controller.store import capacity, processes, resources, restore_hold
from controller.store.database import Transaction
from controller.store.processes import Beat


@dataclass(frozen=True)
class Silence:
    """Seconds without a heartbeat before a node is no longer Up, and before it is Down."""

    unknown_after: float = 15.0
    down_after: float = 60.0


@dataclass(frozen=True)
class Seen:
    """What a node's row is to show."""

    state: str
    reason: str
    taken: Capacity | None = None
    """None: usage was not read."""
    computes: int = 0


def state_from_heartbeat(beat: Beat | None, now: datetime, silence: Silence) -> tuple[str, str]:
    """Return (state, reason) from the last heartbeat."""
    if beat is None:
        return "Unknown", "no heartbeat yet"
    quiet = now - beat.at
    if quiet <= timedelta(seconds=silence.unknown_after):
        return "Up", "" if beat.healthy else beat.message or "unhealthy"
    state = "Down" if quiet > timedelta(seconds=silence.down_after) else "Unknown"
    return state, f"last heartbeat at {beat.at.isoformat(timespec='seconds')}"


def read_states(tx: Transaction, names: Iterable[str], silence: Silence, *, usage: bool = True) -> dict[str, Seen]:
    """Return what the row of each node is to show now; without ``usage`` only the state is read."""
    beats = processes.beats(tx)
    if not usage:
        return {name: Seen(*state_from_heartbeat(beats.get(name), tx.now, silence)) for name in names}
    sizes = capacity.usage(tx)
    counts = capacity.counts(tx)
    found = {}
    for name in names:
        state, reason = state_from_heartbeat(beats.get(name), tx.now, silence)
        taken = sizes[name][1] if name in sizes else Capacity()
        found[name] = Seen(state, reason, taken, counts.get(name, 0))
    return found


def with_hold(node: Node, seen: Seen) -> Seen:
    """Return ``seen`` with the reason why the node gets no assignments, while it is held after a restore.

    Nothing is placed on a node that is held alone: it is not Up.
    """
    if not node.observed.get("hold"):  # each second for every node: not parsed
        return seen
    match node.facts.hold:
        case NodeHold.UNREPORTED:
            reason = "has not reported since the cluster's database was restored"
        case NodeHold.REPORTED:
            reason = "has reported since the cluster's database was restored; others have not"
        case NodeHold.ALONE:
            reason = restore_hold.ALONE_REASON
            seen = replace(seen, state="Unknown" if seen.state == "Up" else seen.state)
        case NodeHold.NONE:
            return seen
    return replace(seen, reason=f"{reason}; {seen.reason}" if seen.reason else reason)


def differs(node: Node, seen: Seen) -> bool:
    """Return whether the node's row shows something else."""
    if (node.state, node.state_reason) != (seen.state, seen.reason):
        return True
    if seen.taken is None:
        return False
    return (node.facts.computes, node.facts.taken) != (seen.computes, seen.taken)


def due(known: Mapping[str, Node], seen: Mapping[str, Seen], after: str, most: int) -> dict[str, Seen]:
    """Return what is to be written now: every changed state, and the usage of at most ``most`` nodes.

    Usage is shown to users only, so thousands of placements must not wait while it is written for
    each node again and again. Nodes take turns by name, those after ``after`` first.
    """
    different = {name: each for name, each in seen.items() if differs(known[name], each)}
    changed_state = {
        name: each
        for name, each in different.items()
        if (each.state, each.reason) != (known[name].state, known[name].state_reason)
    }
    others = sorted(different.keys() - changed_state.keys(), key=lambda name: (name <= after, name))
    return changed_state | {name: different[name] for name in others[:most]}


def write(tx: Transaction, cluster: str, seen: Mapping[str, Seen]) -> list[Node]:
    """Write what the rows are to show; return the nodes that changed. Deleted nodes are ignored."""
    rows = list(resources.get_many(tx, (NODE.key(cluster, name) for name in seen)).values())
    changed = [_shown(row, seen[row.name]) for row in rows if differs(row, seen[row.name])]
    return resources.update(tx, changed)


def remove_empty(tx: Transaction, node: Node) -> bool:
    """Delete a node that the root no longer lists, once nothing is on it; return whether it was deleted.

    One that is held stays: what is on it is not known.
    """
    row = resources.find(tx, key_of(node))
    if row is None or not row.is_deleting or row.facts.hold is not NodeHold.NONE or capacity.takings(tx, node.name):
        return False
    resources.delete(tx, [key_of(node)])
    capacity.remove_node(tx, node.name)
    processes.forget(tx, [node.name])
    return True


def _shown(node: Node, seen: Seen) -> Node:
    observed = dict(node.observed)
    if seen.taken is not None:
        observed |= {"taken": seen.taken.model_dump(), "computes": seen.computes}
    return node.model_copy(update={"state": seen.state, "state_reason": seen.reason, "observed": observed})
