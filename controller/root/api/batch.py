"""POST /v1/apply and /v1/delete: many documents, all or nothing, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from controller.errors import Forbidden, InvalidInput, Problem
from controller.model import document, registry
from controller.model.event import AuditRecord, AuditRecordSpec
from controller.model.registry import AnyResource, Key
from controller.root.api import access, documents, request_body
from controller.root.api import query as q
from controller.root.api.crud import dry_run
from controller.root.api.operation import Call
from controller.root.api.render import json_response
from controller.root.writes import deletion, plan, plan_execution
from controller.root.writes.plan import Action, Step
from controller.root.writes.plan_execution import Result
from controller.store import changes, resources
from controller.store.database import Transaction


async def apply(call: Call) -> Response:
    """Create or replace what the documents say, or plan it."""
    raws = await request_body.read_documents(call.request, call.services.settings.apply_limit)
    wanted = document.parse_all(raws)
    _check_kinds(wanted)
    _check_rights(call, ((registry.get(one.kind).key_of(one), one.project) for one in wanted))
    if call.query.boolean(q.DRY_RUN):
        return await dry_run(call, lambda tx: plan.plan_writes(tx, wanted))

    def work(tx: Transaction) -> tuple[int, list[Result]]:
        steps = plan.plan_writes(tx, wanted).steps
        plan.refuse(steps, several=True)
        results = plan_execution.carry_out(tx, steps)
        _audit(tx, call, steps)
        return changes.head(tx), results

    return _answer(*await call.services.db.awrite(work))


async def delete(call: Call) -> Response:
    """Delete what the documents name, children before parents, or plan it."""
    raws = await request_body.read_documents(call.request, call.services.settings.apply_limit)
    keys = documents.keys_of(raws)
    _check_rights(call, ((key, key.project) for key in keys))
    if call.query.boolean(q.DRY_RUN):
        return await dry_run(call, lambda tx: deletion.plan_deletes(tx, keys))

    def work(tx: Transaction) -> tuple[int, list[Result]]:
        steps = deletion.plan_deletes(tx, keys, check_users=False).steps
        plan.refuse(steps, several=False)
        results = deletion.carry_out(tx, steps)
        _audit(tx, call, steps)
        return changes.head(tx), results

    return _answer(*await call.services.db.awrite(work))


def _answer(version: int, results: list[Result]) -> Response:
    return json_response({"resource_version": version, "results": [result.render() for result in results]})


def _check_kinds(wanted: Iterable[AnyResource]) -> None:
    bad = [
        Problem(f"[{index}].kind", f"a {one.kind} is made by the server and cannot be written")
        for index, one in enumerate(wanted)
        if not registry.get(one.kind).user_made
    ]
    if bad:
        raise InvalidInput(bad)


def _check_rights(call: Call, asked: Iterable[tuple[Key, str]]) -> None:
    for key, project in asked:
        try:
            access.check_write(call.token, registry.get(key.kind), project)
        except Forbidden as error:
            raise Forbidden(f"{key}: {error.message}") from None


def _audit(tx: Transaction, call: Call, steps: Iterable[Step]) -> None:
    """One record for each resource that changed, in one insert."""
    records = [
        AuditRecord(
            name=resources.new_uid(tx),
            spec=AuditRecordSpec(
                at=tx.now,
                token=call.token.name,
                verb=call.operation.id,
                resource_kind=step.key.kind,
                resource=step.key.path,
                request_id=call.request_id,
            ),
        )
        for step in steps
        if step.action is not Action.UNCHANGED
    ]
    resources.insert(tx, records, log=False)
