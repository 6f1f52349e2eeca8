"""The one transaction of every write: plan, refuse, execute, audit.

PUT, apply, delete and the actions all end here, and none of them enters another's handler. The order of a PUT:

1. ``routes`` has the line, ``operation.handle`` checks the token and the query.
2. ``crud.put`` reads the body (``request_body``), adds the names of the path and refuses fields that break the
   kind's model (``documents``), and checks the rights (``access``).
3. ``writes.plan.plan_writes`` compares with the stored form. Changes of fields that must not change are refused in
   ``writes.immutability_rules``.
4. ``execute`` here raises what the plan refuses, or writes the plan (``writes.plan_execution``) with its audit records.

With ``dry_run`` step 4 is ``plan_preview`` in place of ``execute``; the plan is made by the same code.

A transaction that loses a race is repeated as a whole by the database, so that what the plan checked still holds at
the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from controller.model.event import AuditRecord, AuditRecordSpec
from controller.model.registry import Key
from controller.root.api.operation import Call
from controller.root.writes import plan, plan_execution
from controller.root.writes.plan import Action, Plan, Step
from controller.root.writes.plan_execution import Result
from controller.store import changes, resources
from controller.store.database import Transaction

Planned = Callable[[Transaction], Plan]
Execute = Callable[[Transaction, Sequence[Step]], list[Result]]


@dataclass(frozen=True)
class Written:
    """What a transaction wrote."""

    version: int
    """Version of the database after it."""
    results: list[Result]
    """In the order of the steps of the plan."""

    @property
    def is_unchanged(self) -> bool:
        """True when nothing had to be written."""
        return all(result.action is Action.UNCHANGED for result in self.results)


async def execute(
    call: Call,
    planned: Planned,
    *,
    several: bool,
    by: Execute = plan_execution.execute,
    audited: Key | None = None,
) -> Written:
    """Write what ``planned`` plans, or raise what the plan refuses.

    ``several``: the paths of refused fields begin with the index of their document. ``by``: what writes the steps
    (``plan_execution``, or ``deletion`` for deletes). ``audited``: the one resource that is recorded; None: each that
    changes.
    """

    def work(tx: Transaction) -> Written:
        steps = planned(tx).steps
        plan.refuse(steps, several=several)
        results = by(tx, steps)
        changed = [step.key for step in steps if step.action is not Action.UNCHANGED]
        _audit(tx, call, changed if audited is None else [audited])
        return Written(changes.head(tx), results)

    return await call.services.db.awrite(work)


def _audit(tx: Transaction, call: Call, keys: Iterable[Key]) -> None:
    """Record the call for each resource, in one insert."""
    records = [
        AuditRecord(
            name=resources.new_uid(tx),
            spec=AuditRecordSpec(
                at=tx.now,
                token=call.token.name,
                verb=call.operation.id,
                resource_kind=key.kind,
                resource=key.path,
                request_id=call.request_id,
            ),
        )
        for key in keys
    ]
    resources.insert(tx, records, log=False)
