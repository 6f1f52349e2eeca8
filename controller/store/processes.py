"""Signs of life (design A9, F4): ServiceProcess rows and heartbeats of processes and nodes.

A heartbeat is one small row outside the change log, so that a quiet system stays quiet however
many nodes it has. The ServiceProcess itself is written, and logged, only when what it says of
itself differs from what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import delete, select

from controller.model.registry import T, key_of
from controller.model.service_process import SERVICE_PROCESS, ServiceProcess
from controller.store import bulk_statements, resources
from controller.store.database import Transaction
from controller.store.dialects import among
from controller.store.tables import from_microseconds, to_microseconds
from controller.store.tables import heartbeat as table

_PROCESS = SERVICE_PROCESS.name
_NODE = "Node"


@dataclass(frozen=True)
class Beat:
    """The last sign of life."""

    at: datetime
    healthy: bool = True
    message: str = ""


def heartbeat(tx: Transaction, process: ServiceProcess) -> ServiceProcess:
    """Store what a process says of itself, and that it lives now; returns its row."""
    stored = resources.find(tx, key_of(process))
    if stored is None:
        stored = resources.insert(tx, [process])[0]
    elif _said(stored) != _said(process):
        stored = resources.update(tx, [process.model_copy(update={"uid": stored.uid})])[0]
    flush(tx, {process.name: Beat(tx.now)})
    return _with_beat(stored, Beat(tx.now))


def flush(tx: Transaction, beats: Mapping[str, Beat]) -> None:
    """Store heartbeats of processes by name, in one statement."""
    _store(tx, _PROCESS, beats)


def beat(tx: Transaction, nodes: Mapping[str, tuple[datetime, bool, str]]) -> None:
    """Store heartbeats of nodes, ``(at, healthy, message)`` by node, in one statement."""
    _store(tx, _NODE, {node: Beat(*values) for node, values in nodes.items()})


def beats(tx: Transaction, kind: str = _NODE) -> dict[str, Beat]:
    """The last heartbeat of each node (or process), by name."""
    query = select(table.c.path, table.c.at, table.c.healthy, table.c.message).where(table.c.kind == kind)
    return {
        path: Beat(from_microseconds(at), bool(healthy), message)
        for path, at, healthy, message in tx.connection.execute(query)
    }


def forget(tx: Transaction, names: Sequence[str], kind: str = _NODE) -> None:
    """Drop the heartbeats of nodes (or processes) that are no more."""
    tx.connection.execute(delete(table).where(table.c.kind == kind, among(tx, table.c.path, names)))


def all_processes(tx: Transaction) -> list[ServiceProcess]:
    """Every process, with the time of its last heartbeat."""
    return with_beats(tx, resources.list_all(tx, SERVICE_PROCESS))


def with_beats(tx: Transaction, rows: Sequence[T]) -> list[T]:
    """The rows, ServiceProcesses of this tier with the time of their last heartbeat; others as they are."""
    if not any(isinstance(row, ServiceProcess) for row in rows):
        return list(rows)
    known = beats(tx, _PROCESS)
    return [
        cast(T, _with_beat(row, known[row.name])) if isinstance(row, ServiceProcess) and row.name in known else row
        for row in rows
    ]


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


def _said(process: ServiceProcess) -> object:
    """What a process says of itself, without the times."""
    spec = process.spec.model_copy(update={"heartbeat": None})
    return spec, process.labels, process.status, process.state, process.state_reason, process.observed


def _with_beat(process: ServiceProcess, one: Beat) -> ServiceProcess:
    return process.model_copy(update={"spec": process.spec.model_copy(update={"heartbeat": one.at})})
