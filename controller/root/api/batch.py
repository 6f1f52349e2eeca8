"""POST /v1/apply and /v1/delete: many documents, all or nothing, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from controller.errors import Forbidden, InvalidInput, Problem, TooLarge
from controller.model import registry
from controller.model.registry import AnyResource, Key
from controller.root.api import access, documents, plan_preview, request_body, write_transaction
from controller.root.api import query as q
from controller.root.api.answers import BatchResult
from controller.root.api.operation import Call
from controller.root.api.render import answer
from controller.root.api.write_transaction import Written
from controller.root.writes import deletion, plan

_IN_LINE = 50
"""Results up to this number are rendered in the event loop."""


async def apply(call: Call) -> Response:
    """Create or replace what the documents ask for, or answer with the plan of it."""
    raws = await _documents(call)
    wanted = await request_body.checked(raws)
    _check_kinds(wanted)
    _check_rights(call, ((registry.get(one.kind).key_of(one), one.project) for one in wanted))
    if call.query.boolean(q.DRY_RUN):
        return answer(await plan_preview.preview(call, lambda tx: plan.plan_writes(tx, wanted)))
    written = await write_transaction.execute(call, lambda tx: plan.plan_writes(tx, wanted), several=True)
    return await _answer(written)


async def delete(call: Call) -> Response:
    """Delete what the documents name, children before parents, or answer with the plan of it."""
    raws = await _documents(call)
    keys = documents.keys_of(raws)
    _check_rights(call, ((key, key.project) for key in keys))
    if call.query.boolean(q.DRY_RUN):
        return answer(await plan_preview.preview(call, lambda tx: deletion.plan_deletes(tx, keys)))
    written = await write_transaction.execute(
        call, lambda tx: deletion.plan_deletes(tx, keys, check_users=False), several=False, by=deletion.execute
    )
    return await _answer(written)


async def _documents(call: Call) -> list[Mapping[str, Any]]:
    """Return the documents of the body, and count them against the token; raises TooLarge for too many of them."""
    settings = call.services.settings
    raws = await request_body.read_documents(call.request, settings.apply_limit)
    if len(raws) > settings.documents_limit:
        raise TooLarge(
            f"the body has {len(raws)} documents, at most {settings.documents_limit} are taken: send parts of it"
        )
    call.services.limits.charge_documents(call.token.uid, len(raws))
    return raws


async def _answer(written: Written) -> Response:
    """Return the results; those of thousands of documents are made into JSON off the event loop."""
    if len(written.results) <= _IN_LINE:
        return answer(BatchResult.of(written.version, written.results))
    return await asyncio.to_thread(lambda: answer(BatchResult.of(written.version, written.results)))


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
