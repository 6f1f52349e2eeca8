"""Unique values: one owner for each (scope, value), kept so by the database's key.

For host names, digests of secrets, slots. A claim ends with its owner: deleting the resource with
the owner's uid frees it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select

from controller.errors import Conflict
from controller.store import bulk_statements
from controller.store.database import Transaction
from controller.store.dialects import among
from controller.store.tables import claim, resource


@dataclass(frozen=True)
class Claim:
    """``value`` of ``scope`` is taken by the resource with uid ``owner``."""

    scope: str
    value: str
    owner: str


def take(tx: Transaction, claims: Sequence[Claim]) -> None:
    """Take all of the values or, raising Conflict that names a present owner, none.

    Taking again what one has is no conflict.
    """
    wanted = {(one.scope, one.value): one for one in claims}
    for one in claims:
        if wanted[one.scope, one.value].owner != one.owner:
            raise Conflict(f"{one.scope} {one.value} is asked for twice")
    new = []
    present = _owners(tx, wanted)
    for (scope, value), one in wanted.items():
        owner = present.get((scope, value))
        if owner is None:
            new.append({"scope": scope, "value": value, "owner": one.owner})
        elif owner != one.owner:
            name = _name(tx, owner)
            raise Conflict(f"{scope} {value} is taken by {name}", users=[name])
    bulk_statements.insert(tx, claim, new)


def free(tx: Transaction, owner: str) -> None:
    """Free everything that ``owner`` has."""
    tx.connection.execute(delete(claim).where(claim.c.owner == owner))


def free_values(tx: Transaction, values: Iterable[tuple[str, str]]) -> None:
    """Free the (scope, value) pairs, whoever has them."""
    for scope, members in _grouped(values).items():
        tx.connection.execute(delete(claim).where(claim.c.scope == scope, among(tx, claim.c.value, members)))


def owner_of(tx: Transaction, scope: str, value: str) -> str | None:
    """The uid of the owner, or None when the value is free."""
    statement = select(claim.c.owner).where(claim.c.scope == scope, claim.c.value == value)
    return tx.connection.execute(statement).scalar_one_or_none()


def taken(tx: Transaction, scope: str) -> dict[str, str]:
    """Owner's uid by value, of everything that is taken in the scope."""
    rows = tx.connection.execute(select(claim.c.value, claim.c.owner).where(claim.c.scope == scope))
    return {row.value: row.owner for row in rows}


def _owners(tx: Transaction, values: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for scope, members in _grouped(values).items():
        statement = select(claim.c.value, claim.c.owner).where(
            claim.c.scope == scope, among(tx, claim.c.value, members)
        )
        found.update({(scope, row.value): row.owner for row in tx.connection.execute(statement)})
    return found


def _grouped(values: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = defaultdict(list)
    for scope, value in values:
        grouped[scope].append(value)
    return grouped


def _name(tx: Transaction, uid: str) -> str:
    row = tx.connection.execute(select(resource.c.kind, resource.c.path).where(resource.c.uid == uid)).first()
    return uid if row is None else f"{row.kind} {row.path}"
