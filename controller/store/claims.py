"""Claims on unique values: one owner for each (scope, value), enforced by the database's key.

For host names, digests of secrets, slots. A claim ends with its owner: deleting the resource with the owner's uid
frees it.
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
    """Take all values, or none and raise Conflict with a present owner.

    An owner may take again what it has.
    """
    wanted = {(one.scope, one.value): one for one in claims}
    for one in claims:
        if wanted[one.scope, one.value].owner != one.owner:
            raise Conflict(f"{one.scope} {one.value} is requested twice")
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
    """Free all claims of ``owner``."""
    tx.connection.execute(delete(claim).where(claim.c.owner == owner))


def free_values(tx: Transaction, values: Iterable[tuple[str, str]]) -> None:
    """Free the (scope, value) pairs, whoever the owners are."""
    for scope, members in _grouped(values).items():
        tx.connection.execute(delete(claim).where(claim.c.scope == scope, among(tx, claim.c.value, members)))


def owner_of(tx: Transaction, scope: str, value: str) -> str | None:
    """Return the uid of the owner, or None if the value is free."""
    statement = select(claim.c.owner).where(claim.c.scope == scope, claim.c.value == value)
    return tx.connection.execute(statement).scalar_one_or_none()


def taken(tx: Transaction, scope: str) -> dict[str, str]:
    """Return the owner's uid by value, for all taken values of the scope."""
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
