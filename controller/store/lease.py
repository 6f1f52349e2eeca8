"""Leases: which process is master, until when, in which term.

A lease is taken by compare-and-swap of its term, on the database's clock. Each new holder gets a higher term. Writes
carry the term (``database.Fence``), so that the writes of a master that was suspended past its lease are refused,
whatever its own clock shows. An expired lease that nobody took still admits writes: its term is the highest, so that
no second master exists.

Design: H2
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
    """The current lease; an empty ``holder`` means that it was released."""

    name: str
    holder: str
    term: int
    expires_at: datetime


def get(tx: Transaction, name: str) -> Lease | None:
    """Return the current lease, or None if it was never taken."""
    row = tx.connection.execute(select(lease).where(lease.c.name == name)).first()
    return None if row is None else Lease(row.name, row.holder, row.term, from_microseconds(row.expires_at))


def reassign(tx: Transaction, name: str, holder: str, observed_term: int, ttl: float) -> Lease:
    """Take the lease for ``ttl`` seconds if it is free, and return the current lease.

    An unexpired lease of another holder is never taken, nor is one whose term the caller has not seen yet
    (``observed_term`` 0: none seen). A holder that observed another term is a new process of the same name: it gets a
    new term, which fences the former process.
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
    """Renew the lease for ``ttl`` seconds; raises StaleTerm if another holder has it."""
    current = get(tx, name)
    if current is None or current.holder != holder or current.term != term:
        raise StaleTerm(f"{name}: {holder} holds term {term} no longer")
    return _write(tx, Lease(name, holder, term, _until(tx, ttl)))


def release(tx: Transaction, name: str, holder: str, term: int) -> None:
    """Release the lease, so that another process can take it at once; no effect if another holder has it."""
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
