"""ServiceProcess rows, and heartbeats of processes and nodes.

A heartbeat is one small row outside the change log, so that nodes that do not change cause no changes, however many
they are. A ServiceProcess is written and logged only if it differs from what is stored.

Design: A9, F4
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from controller.model.node import NODE
from controller.model.registry import AnyResource, T, key_of
from controller.model.service_process import SERVICE_PROCESS, ServiceProcess
from controller.store import bulk_statements, resources
from controller.store.database import Transaction
from controller.store.dialects import among
from controller.store.tables import from_microseconds, to_microseconds
from controller.store.tables import heartbeat as table

_PROCESS = SERVICE_PROCESS.name
_NODE = NODE.name


@dataclass(frozen=True)
class Beat:
    """The last heartbeat."""

    at: datetime
    healthy: bool = True
    message: str = ""


def heartbeat(tx: Transaction, process: ServiceProcess) -> ServiceProcess:
    """Store a process's row and its heartbeat as of now; return the row."""
    stored = resources.find(tx, key_of(process))
    if stored is None:
        stored = resources.insert(tx, [process])[0]
    elif _description(stored) != _description(process):
        stored = resources.update(tx, [process.model_copy(update={"uid": stored.uid})])[0]
    flush(tx, {process.name: Beat(tx.now)})
    return _with_beat(stored, Beat(tx.now))


def flush(tx: Transaction, beats: Mapping[str, Beat]) -> None:
    """Store heartbeats of processes, by name, in one statement."""
    _store(tx, _PROCESS, beats)


def beat(tx: Transaction, nodes: Mapping[str, tuple[datetime, bool, str]]) -> None:
    """Store heartbeats of nodes, ``(at, healthy, message)`` by node, in one statement."""
    _store(tx, _NODE, {node: Beat(*values) for node, values in nodes.items()})


def beats(tx: Transaction, kind: str = _NODE) -> dict[str, Beat]:
    """Return the last heartbeat of each node (or process), by name."""
    query = select(table.c.path, table.c.at, table.c.healthy, table.c.message).where(table.c.kind == kind)
    return {
        path: Beat(from_microseconds(at), bool(healthy), message)
        for path, at, healthy, message in tx.connection.execute(query)
    }


def forget(tx: Transaction, names: Sequence[str], kind: str = _NODE) -> None:
    """Delete the heartbeats of deleted nodes (or processes)."""
    tx.connection.execute(delete(table).where(table.c.kind == kind, among(tx, table.c.path, names)))


def with_beats(tx: Transaction, rows: Sequence[T]) -> list[T]:
    """Return the rows; ServiceProcesses of this tier get the time of their last heartbeat."""
    if not any(isinstance(row, ServiceProcess) for row in rows):
        return list(rows)
    known = beats(tx, _PROCESS)
    return [_with_beat(row, known[row.name]) if _is_known_process(row, known) else row for row in rows]


def _is_known_process(row: AnyResource, known: Mapping[str, Beat]) -> bool:
    return isinstance(row, ServiceProcess) and row.name in known


def _store(tx: Transaction, kind: str, beats: Mapping[str, Beat]) -> None:
    if not beats:
        return
    forget(tx, list(beats), kind)
    values = [
        {
            "kind": kind,
            "path": name,
            "at": to_microseconds(one.at),
            "healthy": int(one.healthy),
            "message": one.message,
        }
        for name, one in beats.items()
    ]
    bulk_statements.insert(tx, table, values)


def _description(process: ServiceProcess) -> object:
    """Return how a process describes itself, without the times."""
    spec = process.spec.model_copy(update={"heartbeat": None})
    return spec, process.labels, process.status, process.state, process.state_reason, process.observed


def _with_beat(process: T, one: Beat) -> T:
    return process.model_copy(update={"spec": process.spec.model_copy(update={"heartbeat": one.at})})
