"""Audit records of refused writes: each has its own, up to a rate; repeats above it share one that counts them.

A refusal is cheap, and a record is a transaction and a row that stays for months: a token whose writes are refused in a
loop must not fill the database. A token has ``burst`` records at once and ``per_second`` after that. What is above is
counted by token and reason, and written about once a minute: who, which refusal, how often, and the last time.

Not promised: that what was counted in the last minute survives a kill of the process. A drain writes it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from controller.clock import Clock
from controller.errors import TemporaryError
from controller.model.event import AuditRecordSpec
from controller.rate_limit import RateLimit, Reached
from controller.store import audit
from controller.store.database import Database, Transaction

SEVERAL = "several"
"""The verb, or the kind, of refusals that are counted together and differ in it."""
_FLUSH_SECONDS = 60.0
_MOST_GROUPS = 1000


@dataclass(frozen=True)
class _Refusals:
    """Refusals of one token for one reason that have no records of their own."""

    verb: str
    kind: str
    count: int
    last: datetime


class RefusedWrites:
    """The refusals of one process; ``run`` must run at the same time."""

    def __init__(self, db: Database, clock: Clock, per_second: float, burst: int, reached: Reached) -> None:
        """``reached`` is called with the name of the limit for each refusal without a record of its own."""
        self._db = db
        self._clock = clock
        self._reached = reached
        self._rate = RateLimit(per_second, burst, clock)
        self._counted: dict[tuple[str, str], _Refusals] = {}
        """By token and outcome."""
        self._writing: asyncio.Future[None] | None = None

    async def record(self, refusal: AuditRecordSpec) -> None:
        """Write the record of a refusal, or count it where its token has too many."""
        if self._rate.wait(refusal.token):
            self._reached("refused_writes")
            self._count(refusal)
            return
        try:
            await self._db.awrite(lambda tx: audit.record(tx, refusal))
        except TemporaryError:
            return  # the refusal itself matters more to the caller than its record

    async def run(self) -> None:
        """Write what was counted about once a minute, until cancelled."""
        while True:
            await self._clock.sleep(_FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what was counted so far; what cannot be written now stays for the next time.

        A write that has begun goes on when this is cancelled, and the next flush waits for it.
        """
        while self._writing is not None:
            await asyncio.shield(self._writing)
        if self._counted:
            self._writing = asyncio.ensure_future(self._write())
            await asyncio.shield(self._writing)

    async def _write(self) -> None:
        counted, self._counted = self._counted, {}
        records = [
            AuditRecordSpec(
                at=group.last,
                token=token,
                verb=group.verb,
                resource_kind=group.kind,
                outcome=outcome,
                count=group.count,
            )
            for (token, outcome), group in counted.items()
        ]

        def work(tx: Transaction) -> None:
            for each in records:
                audit.record(tx, each)

        try:
            await self._db.awrite(work)
        except TemporaryError:
            for key, group in counted.items():
                self._add(key, group)
        finally:
            self._writing = None

    def _count(self, refusal: AuditRecordSpec) -> None:
        group = _Refusals(refusal.verb, refusal.resource_kind, 1, self._clock.now())
        self._add((refusal.token, refusal.outcome), group)

    def _add(self, key: tuple[str, str], group: _Refusals) -> None:
        known = self._counted.get(key)
        if known is not None:
            self._counted[key] = replace(
                group,
                verb=known.verb if known.verb == group.verb else SEVERAL,
                kind=known.kind if known.kind == group.kind else SEVERAL,
                count=known.count + group.count,
                last=max(known.last, group.last),
            )
        elif len(self._counted) < _MOST_GROUPS:
            self._counted[key] = group
