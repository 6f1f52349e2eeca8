"""Leases (design H2): who is master, until when, in which term.

A lease is taken by compare-and-swap on its term, on the database's clock. Each new holder gets a
higher term; writes carry the term (``database.Fence``), so a master that was asleep past its
lease and wakes is refused, whatever its own clock says. A lease that has expired but that nobody
took still counts for writes: its term is the highest, so no second master exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update

from controller.errors import StaleTerm
from controller.store.database import Transaction
from controller.store.tables import from_microseconds, lease, to_microseconds


@dataclass(frozen=True)
class Lease:
    """A lease as it stands; an empty ``holder`` means that it was given back."""

    name: str
    holder: str
    term: int
    expires_at: datetime


def get(tx: Transaction, name: str) -> Lease | None:
    """The lease as it stands, or None when nobody ever had it."""
    row = tx.connection.execute(select(lease).where(lease.c.name == name)).first()
    return None if row is None else Lease(row.name, row.holder, row.term, from_microseconds(row.expires_at))


def reassign(tx: Transaction, name: str, holder: str, observed_term: int, ttl: float) -> Lease:
    """Take the lease for ``ttl`` seconds if it is free, and return it as it now stands.

    An unexpired lease of another holder is never taken; nor is one whose term the caller has not
    seen yet (``observed_term`` 0: none seen). The holder itself, when it observed another term, is
    a new process of the same name: it gets a new term, which fences its former self.
    """
    current = get(tx, name)
    if current is None:
        return _write(tx, Lease(name, holder, 1, _until(tx, ttl)), new=True)
    own = current.holder == holder
    if own and current.term == observed_term and current.expires_at > tx.now:
        return _write(tx, Lease(name, holder, current.term, _until(tx, ttl)))
    free = not current.holder or current.expires_at <= tx.now
    if own or (free and observed_term in (0, current.term)):
        return _write(tx, Lease(name, holder, current.term + 1, _until(tx, ttl)))
    return current


def renew(tx: Transaction, name: str, holder: str, term: int, ttl: float) -> Lease:
    """Hold the lease for ``ttl`` seconds more; raises StaleTerm when it is another's by now."""
    current = get(tx, name)
    if current is None or current.holder != holder or current.term != term:
        raise StaleTerm(f"{name}: {holder} holds term {term} no longer")
    return _write(tx, Lease(name, holder, term, _until(tx, ttl)))


def release(tx: Transaction, name: str, holder: str, term: int) -> None:
    """Give the lease back so that another can take it at once; no effect when it is another's."""
    current = get(tx, name)
    if current is not None and current.holder == holder and current.term == term:
        _write(tx, Lease(name, "", term, tx.now))


def _until(tx: Transaction, ttl: float) -> datetime:
    return tx.now + timedelta(seconds=ttl)


def _write(tx: Transaction, wanted: Lease, *, new: bool = False) -> Lease:
    values = {"holder": wanted.holder, "term": wanted.term, "expires_at": to_microseconds(wanted.expires_at)}
    if new:
        tx.connection.execute(insert(lease), {"name": wanted.name, **values})
    else:
        tx.connection.execute(update(lease).where(lease.c.name == wanted.name), values)
    return wanted
