"""State of nodes, from their heartbeats, and what is taken of them, for people to see (G6).

``NodeWatch`` keeps the nodes in memory as the change feed tells of them, so that a quiet second
costs one small read, however many nodes there are; only what differs is written.

Up: heard within ``unknown_after`` seconds; Down: not for ``down_after``; Unknown between. What
follows from a state (drains, rebuilds) is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from controller.model.node import NODE, Capacity, Node
from controller.model.registry import key_of
from controller.store import capacity, processes, resources
from controller.store.database import Transaction
from controller.store.processes import Beat


@dataclass(frozen=True)
class Silence:
    """Seconds without a heartbeat before a node is no longer Up, and before it is Down."""

    unknown_after: float = 15.0
    down_after: float = 60.0


@dataclass(frozen=True)
class Seen:
    """What a node is to be shown as."""

    state: str
    reason: str
    taken: Capacity | None = None
    """None: it was not looked at."""
    computes: int = 0


def judge(beat: Beat | None, now: datetime, silence: Silence) -> tuple[str, str]:
    """(state, reason) from the last heartbeat."""
    if beat is None:
        return "Unknown", "not heard of yet"
    quiet = now - beat.at
    if quiet <= timedelta(seconds=silence.unknown_after):
        return "Up", "" if beat.healthy else beat.message or "unhealthy"
    state = "Down" if quiet > timedelta(seconds=silence.down_after) else "Unknown"
    return state, f"last heard of at {beat.at.isoformat(timespec='seconds')}"


def look(tx: Transaction, names: Iterable[str], silence: Silence, *, usage: bool = True) -> dict[str, Seen]:
    """What each of the nodes is to be shown as now; without ``usage`` only its state is looked at."""
    beats = processes.beats(tx)
    if not usage:
        return {name: Seen(*judge(beats.get(name), tx.now, silence)) for name in names}
    sizes = capacity.usage(tx)
    counts = capacity.counts(tx)
    found = {}
    for name in names:
        state, reason = judge(beats.get(name), tx.now, silence)
        taken = sizes[name][1] if name in sizes else Capacity()
        found[name] = Seen(state, reason, taken, counts.get(name, 0))
    return found


def differs(node: Node, seen: Seen) -> bool:
    """Whether the node's row says something else."""
    if (node.state, node.state_reason) != (seen.state, seen.reason):
        return True
    if seen.taken is None:
        return False
    shown = node.observed.get("computes"), node.observed.get("taken")
    return shown != (seen.computes, seen.taken.model_dump())


def due(known: Mapping[str, Node], seen: Mapping[str, Seen], after: str, most: int) -> dict[str, Seen]:
    """What is to be written now: every changed state, and of what is taken ``most`` nodes' only.

    What is taken is for people to see, so thousands of placements must not wait while it is written
    of each node again and again. Turns go by name, those behind ``after`` first.
    """
    different = {name: each for name, each in seen.items() if differs(known[name], each)}
    turned = {
        name: each
        for name, each in different.items()
        if (each.state, each.reason) != (known[name].state, known[name].state_reason)
    }
    others = sorted(different.keys() - turned.keys(), key=lambda name: (name <= after, name))
    return turned | {name: different[name] for name in others[:most]}


def write(tx: Transaction, cluster: str, seen: Mapping[str, Seen]) -> list[Node]:
    """Show the nodes as seen; returns those that changed. Nodes that are gone are passed over."""
    rows = cast(list[Node], list(resources.get_many(tx, (NODE.key(cluster, name) for name in seen)).values()))
    changed = [_shown(row, seen[row.name]) for row in rows if differs(row, seen[row.name])]
    return cast(list[Node], resources.update(tx, changed))


def remove_empty(tx: Transaction, node: Node) -> bool:
    """Drop a node that the root no longer lists, once nothing is on it; True when it went."""
    row = resources.find(tx, key_of(node))
    if row is None or not row.is_deleting or capacity.takings(tx, node.name):
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
