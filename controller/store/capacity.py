"""What nodes have and what is taken of it (design I1): never more than there is.

The check is the update itself: a row of ``node_capacity`` is raised only where the sum still
fits, so that no order of controllers takes the last room twice. Each taking has its own row, so
that it is given back exactly, once. When a node turns out smaller than what is taken, nothing is
taken away; only new takings are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from controller.errors import NoRoom
from controller.model.node import Capacity
from controller.store import bulk
from controller.store.database import Transaction
from controller.store.sql import among
from controller.store.tables import capacity_claim, node_capacity

_SIZES = ("vcpus", "memory_mib", "disk_gib")


def set_total(tx: Transaction, node: str, total: Capacity) -> None:
    """Record what a node has; what is taken of it stays."""
    values = {f"total_{size}": getattr(total, size) for size in _SIZES}
    changed = tx.connection.execute(update(node_capacity).where(node_capacity.c.node == node).values(values))
    if changed.rowcount == 0:
        none_taken = {f"taken_{size}": 0 for size in _SIZES}
        tx.connection.execute(insert(node_capacity), {"node": node, **values, **none_taken})


def take(tx: Transaction, wanted: Sequence[tuple[str, str, Capacity]]) -> None:
    """Take for each ``(node, uid, size)``; all, or none and NoRoom.

    Raises Conflict when the uid has room on that node already.
    """
    if not wanted:
        return
    with tx.connection.begin_nested():  # a caller that goes on after NoRoom must find nothing taken
        for node, sum_wanted in _sums(wanted).items():
            room = [
                node_capacity.c[f"taken_{size}"] + sum_wanted[size] <= node_capacity.c[f"total_{size}"]
                for size in _SIZES
                if sum_wanted[size]
            ]
            statement = (
                update(node_capacity)
                .where(node_capacity.c.node == node, *room)
                .values({f"taken_{size}": node_capacity.c[f"taken_{size}"] + sum_wanted[size] for size in _SIZES})
            )
            if tx.connection.execute(statement).rowcount != 1:
                raise _no_room(tx, node, sum_wanted)
        rows = [
            {"node": node, "uid": uid, **{name: getattr(size, name) for name in _SIZES}} for node, uid, size in wanted
        ]
        bulk.insert(tx, capacity_claim, rows)


def give_back(tx: Transaction, taken: Sequence[tuple[str, str]]) -> None:
    """Give back what each ``(node, uid)`` took; given back already: no effect."""
    if not taken:
        return
    rows: list[tuple[str, str, Capacity]] = []
    for node, uids in _by_node(taken).items():
        here = (capacity_claim.c.node == node, among(tx, capacity_claim.c.uid, uids))
        for row in tx.connection.execute(delete(capacity_claim).where(*here).returning(capacity_claim)):
            rows.append((node, row.uid, _capacity(row, "")))
    for node, sums in _sums(rows).items():
        statement = (
            update(node_capacity)
            .where(node_capacity.c.node == node)
            .values({f"taken_{size}": node_capacity.c[f"taken_{size}"] - sums[size] for size in _SIZES})
        )
        tx.connection.execute(statement)


def usage(tx: Transaction) -> dict[str, tuple[Capacity, Capacity]]:
    """``(total, taken)`` by node."""
    rows = tx.connection.execute(select(node_capacity).order_by(node_capacity.c.node))
    return {row.node: (_capacity(row, "total_"), _capacity(row, "taken_")) for row in rows}


def takings(tx: Transaction, node: str | None = None) -> dict[tuple[str, str], Capacity]:
    """What each ``(node, uid)`` has, of one node or of all: for checks that nothing leaked."""
    statement = select(capacity_claim)
    if node is not None:
        statement = statement.where(capacity_claim.c.node == node)
    return {(row.node, row.uid): _capacity(row, "") for row in tx.connection.execute(statement)}


def remove_node(tx: Transaction, node: str) -> None:
    """Forget a node and everything taken of it."""
    tx.connection.execute(delete(capacity_claim).where(capacity_claim.c.node == node))
    tx.connection.execute(delete(node_capacity).where(node_capacity.c.node == node))


def _sums(wanted: Sequence[tuple[str, str, Capacity]]) -> dict[str, dict[str, int]]:
    """Sizes added up per node, nodes in one order for all writers."""
    sums: dict[str, dict[str, int]] = {}
    for node, _, size in sorted(wanted, key=lambda one: one[:2]):
        here = sums.setdefault(node, dict.fromkeys(_SIZES, 0))
        for name in _SIZES:
            here[name] += getattr(size, name)
    return sums


def _by_node(taken: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for node, uid in sorted(set(taken)):
        grouped.setdefault(node, []).append(uid)
    return grouped


def _capacity(row: Any, prefix: str) -> Capacity:
    return Capacity(**{size: getattr(row, f"{prefix}{size}") for size in _SIZES})


def _no_room(tx: Transaction, node: str, wanted: dict[str, int]) -> NoRoom:
    row = tx.connection.execute(select(node_capacity).where(node_capacity.c.node == node)).first()
    if row is None:
        return NoRoom(f"node {node} has not reported its capacity", {"capacity unknown": 1})
    total, taken = _capacity(row, "total_"), _capacity(row, "taken_")
    short = [size for size in _SIZES if getattr(taken, size) + wanted[size] > getattr(total, size)]
    facts = ", ".join(f"{size} {getattr(total, size) - getattr(taken, size)} of {wanted[size]}" for size in short)
    return NoRoom(f"node {node} has too little free: {facts}", {f"too little {size}": 1 for size in short})
