"""The capacity of nodes and what is taken of it: never more is taken than a node has.

The update itself is the check: a row of ``node_capacity`` is raised only if the sum still fits, so that two controllers
never take the same room, in whatever order they run. A node has a row for the whole of it, and one for each NUMA cell
if it has several. Hardware threads that are assigned singly have a row each, with the owner. Each share has rows of
its own, so that it is released exactly once. If a node reports less capacity than is taken, no share is withdrawn;
only new ones are refused.

Shared cpu time is stored in hundredths of a hardware thread, the precision of ``Capacity.vcpus``.

Design: I1, I3-I5
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, tuple_

from controller.errors import Conflict, NoRoom
from controller.model.node import Capacity, Share
from controller.store import bulk_statements
from controller.store.database import Transaction
from controller.store.dialects import among
from controller.store.tables import SIZES, capacity_claim, node_capacity, pinned_cpu

WHOLE = -1
"""Number of the cell that represents the whole node."""
_ZERO = dict.fromkeys(SIZES, 0)
_TOTAL, _TAKEN = ([node_capacity.c[f"{prefix}{name}"] for name in SIZES] for prefix in ("total_", "taken_"))
_WORDS = {"vcpus_percent": "vcpus"}


class Use(NamedTuple):
    """A total amount, and what is taken of it."""

    total: Capacity
    taken: Capacity


class Taking(NamedTuple):
    """The share of a node that the resource with that uid takes."""

    node: str
    uid: str
    share: Share


def set_total(tx: Transaction, node: str, total: Capacity, cells: Mapping[int, Capacity] | None = None) -> None:
    """Record the capacity of a node, and of its NUMA cells if it has several; what is taken stays taken.

    A cell that is no longer reported has no room left. What was taken before the cells were known counts only for
    the node as a whole.
    """
    wanted = {WHOLE: total, **(cells if cells is not None and len(cells) > 1 else {})}
    known = set(tx.connection.execute(select(node_capacity.c.cell).where(node_capacity.c.node == node)).scalars())
    rows = [
        {"node": node, "cell": cell, **_prefixed("total_", _amounts(wanted.get(cell, Capacity())))}
        for cell in sorted(known | wanted.keys())
    ]
    bulk_statements.update(tx, node_capacity, ("node", "cell"), [row for row in rows if row["cell"] in known])
    none_taken = _prefixed("taken_", _ZERO)
    bulk_statements.insert(tx, node_capacity, [{**row, **none_taken} for row in rows if row["cell"] not in known])


def take(tx: Transaction, wanted: Sequence[Taking]) -> None:
    """Take all shares, or raise NoRoom and take none.

    Raises Conflict if a uid already has a share of that node, or a hardware thread already has an owner.
    """
    if not wanted:
        return
    rows = [row for taking in wanted for row in _rows(taking)]
    threads = [{"node": node, "cpu": cpu, "uid": uid} for node, uid, share in wanted for cpu in share.cpus]
    with tx.connection.begin_nested():  # nothing must stay taken for a caller that continues after NoRoom
        sums = _sums(rows)
        if bulk_statements.add(tx, node_capacity, ("node", "cell"), sums, "taken_", SIZES, limit="total_") != len(sums):
            raise _no_room(tx, sums)
        _refuse_owned(tx, threads)
        bulk_statements.insert(tx, capacity_claim, rows)
        bulk_statements.insert(tx, pinned_cpu, threads)


def give_back(tx: Transaction, taken: Sequence[tuple[str, str]]) -> None:
    """Release the share of each ``(node, uid)``; no effect if it is released already."""
    if not taken:
        return
    rows: list[dict[str, Any]] = []
    for node, uids in _by_node(taken).items():
        here = (capacity_claim.c.node == node, among(tx, capacity_claim.c.uid, uids))
        returned = tx.connection.execute(delete(capacity_claim).where(*here).returning(capacity_claim))
        rows.extend(dict(row._mapping) for row in returned)
        tx.connection.execute(delete(pinned_cpu).where(pinned_cpu.c.node == node, among(tx, pinned_cpu.c.uid, uids)))
    back = [{name: -value if name in SIZES else value for name, value in row.items()} for row in _sums(rows)]
    bulk_statements.add(tx, node_capacity, ("node", "cell"), back, "taken_", SIZES)


def usage(tx: Transaction) -> dict[str, Use]:
    """Return the capacity of each node as a whole, and what is taken of it."""
    query = select(node_capacity.c.node, *_TOTAL, *_TAKEN).where(node_capacity.c.cell == WHOLE).order_by("node")
    return {row[0]: _use(row[1:]) for row in tx.connection.execute(query)}


def cell_usage(tx: Transaction) -> dict[str, dict[int, Use]]:
    """Return the same of each NUMA cell, for the nodes that have several."""
    found: dict[str, dict[int, Use]] = defaultdict(dict)
    columns = (node_capacity.c.node, node_capacity.c.cell, *_TOTAL, *_TAKEN)
    query = select(*columns).where(node_capacity.c.cell != WHOLE).order_by("node", "cell")
    for row in tx.connection.execute(query):
        found[row[0]][row[1]] = _use(row[2:])
    return dict(found)


def owned_cpus(tx: Transaction) -> dict[str, dict[int, str]]:
    """Return the hardware threads of each node that have an owner, with its uid."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for row in tx.connection.execute(select(pinned_cpu).order_by("node", "cpu")):
        found[row.node][row.cpu] = row.uid
    return dict(found)


def takings(
    tx: Transaction, node: str | None = None, pairs: Iterable[tuple[str, str]] | None = None
) -> dict[tuple[str, str], Share]:
    """Return the share of each ``(node, uid)``: of one node, of the given pairs, or of all."""
    if pairs is not None:
        pairs = list(pairs)
        if not pairs:
            return {}
    sizes: dict[tuple[str, str], dict[int, Capacity]] = defaultdict(dict)
    for row in tx.connection.execute(_of(select(capacity_claim), capacity_claim, node, pairs)):
        sizes[row.node, row.uid][row.cell] = _capacity(tuple(getattr(row, name) for name in SIZES))
    cpus: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in tx.connection.execute(_of(select(pinned_cpu), pinned_cpu, node, pairs).order_by("cpu")):
        cpus[row.node, row.uid].append(row.cpu)
    return {
        pair: Share(
            size=of.get(WHOLE, Capacity()),
            cells={cell: size for cell, size in sorted(of.items()) if cell != WHOLE},
            cpus=tuple(cpus.get(pair, ())),
        )
        for pair, of in sizes.items()
    }


def counts(tx: Transaction) -> dict[str, int]:
    """Return how many resources have a share of each node."""
    query = select(capacity_claim.c.node, func.count()).where(capacity_claim.c.cell == WHOLE)
    return {row[0]: row[1] for row in tx.connection.execute(query.group_by(capacity_claim.c.node))}


def remove_node(tx: Transaction, node: str) -> None:
    """Delete a node's capacity and all shares of it."""
    for table in (capacity_claim, pinned_cpu, node_capacity):
        tx.connection.execute(delete(table).where(table.c.node == node))


def _of(query: Any, table: Any, node: str | None, pairs: Iterable[tuple[str, str]] | None) -> Any:
    if node is not None:
        return query.where(table.c.node == node)
    return query if pairs is None else query.where(tuple_(table.c.node, table.c.uid).in_(pairs))


def _rows(taking: Taking) -> list[dict[str, Any]]:
    parts = {WHOLE: taking.share.size, **taking.share.cells}
    return [{"node": taking.node, "uid": taking.uid, "cell": cell, **_amounts(size)} for cell, size in parts.items()]


def _sums(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums per node and cell, in one order for all writers, which prevents deadlocks."""
    sums: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        key = row["node"], row["cell"]
        here = sums.setdefault(key, {"node": key[0], "cell": key[1], **_ZERO})
        for name in SIZES:
            here[name] += row[name]
    return [sums[key] for key in sorted(sums)]


def _by_node(taken: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for node, uid in sorted(set(taken)):
        grouped.setdefault(node, []).append(uid)
    return grouped


def _refuse_owned(tx: Transaction, threads: Sequence[Mapping[str, Any]]) -> None:
    if not threads:
        return
    pairs = [(each["node"], each["cpu"]) for each in threads]
    owned = tx.connection.execute(
        select(pinned_cpu).where(tuple_(pinned_cpu.c.node, pinned_cpu.c.cpu).in_(pairs)).order_by("node", "cpu")
    ).first()
    if owned is not None:
        raise Conflict(f"cpu {owned.cpu} of node {owned.node} has an owner already: {owned.uid}")


def _amounts(capacity: Capacity) -> dict[str, int]:
    return {"vcpus_percent": round(100 * capacity.vcpus), **{name: getattr(capacity, name) for name in SIZES[1:]}}


def _prefixed(prefix: str, amounts: Mapping[str, int]) -> dict[str, int]:
    return {f"{prefix}{name}": value for name, value in amounts.items()}


@lru_cache(maxsize=10_000)
def _capacity(amounts: tuple[int, ...]) -> Capacity:
    """Return the Capacity of amounts in the order of SIZES; cached, because most nodes are alike."""
    return Capacity(vcpus=amounts[0] / 100, **dict(zip(SIZES[1:], amounts[1:], strict=True)))


def _use(amounts: Sequence[int]) -> Use:
    return Use(_capacity(tuple(amounts[: len(SIZES)])), _capacity(tuple(amounts[len(SIZES) :])))


def _no_room(tx: Transaction, sums: Sequence[Mapping[str, Any]]) -> NoRoom:
    """Return the reason: the first row that lacks something."""
    for wanted in sums:
        node, cell = wanted["node"], wanted["cell"]
        row = tx.connection.execute(
            select(node_capacity).where(node_capacity.c.node == node, node_capacity.c.cell == cell)
        ).first()
        if row is None:
            where = f"node {node}" if cell == WHOLE else f"cell {cell} of node {node}"
            return NoRoom(f"{where} has not reported its capacity", {"capacity unknown": 1})
        free = {name: getattr(row, f"total_{name}") - getattr(row, f"taken_{name}") for name in SIZES}
        short = [name for name in SIZES if wanted[name] > max(0, free[name])]
        if short:
            where = f"node {node}" if cell == WHOLE else f"cell {cell} of node {node}"
            facts = ", ".join(f"{_word(name)} {_shown(name, free)} of {_shown(name, wanted)}" for name in short)
            return NoRoom(f"{where} has too little free: {facts}", {f"too little {_word(name)}": 1 for name in short})
    raise AssertionError("every row had room")


def _word(name: str) -> str:
    return _WORDS.get(name, name)


def _shown(name: str, amounts: Mapping[str, Any]) -> str:
    return f"{amounts[name] / 100:g}" if name == "vcpus_percent" else str(amounts[name])
