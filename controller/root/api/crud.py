"""Handlers of every kind's own routes: list, get, put, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from controller.errors import NotFound, PreconditionFailed, ResourceError
from controller.model import registry
from controller.model.envelope import Status
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource, Key
from controller.root.api import access, documents, request_body
from controller.root.api import query as q
from controller.root.api.operation import Call, bad
from controller.root.api.render import json_response, listing, one
from controller.root.writes import deletion, plan, plan_execution
from controller.root.writes.plan import Action, Plan, Step
from controller.root.writes.plan_execution import Result
from controller.store import processes, resources, selectors
from controller.store.database import Transaction
from controller.store.resources import Page
from controller.store.selectors import LabelFilter

EVERY = "-"
"""As a parent's name in a list's path: all parents."""


async def get(call: Call) -> Response:
    """GET of one resource."""
    key = call.kind.key(*call.names(), project=_project(call))
    access.check_read(call.token, call.kind, key.project)

    def work(tx: Transaction) -> AnyResource:
        return processes.with_beats(tx, [resources.get(tx, key)])[0]

    resource = await call.services.db.aread(work)
    if not access.is_visible(call.token, resource):
        raise NotFound(f"{key} does not exist")
    return one(resource)


async def list_all(call: Call) -> Response:
    """GET of a collection: one page."""
    kind = call.kind
    parents = _parents(call)
    project = _list_project(call)
    access.check_read(call.token, kind, project or "")
    labels = label_filters(call)
    fields = dict(_field(text) for text in call.query.texts(q.FIELD))
    limit = call.query.integer(q.LIMIT) or call.services.settings.page_default
    after = call.query.text(q.AFTER)

    def work(tx: Transaction) -> Page:
        if parents and kind.parent is not None and len(parents) == len(kind.parents):
            resources.get(tx, registry.get(kind.parent).key(*parents))
        page = resources.list_page(
            tx, kind.name, parents=parents, project=project, labels=labels, fields=fields, limit=limit, after=after
        )
        return replace(page, items=processes.with_beats(tx, page.items))

    page = await call.services.db.aread(work)
    seen = page.items if not call.token.spec.projects else [r for r in page.items if access.is_visible(call.token, r)]
    return listing(seen, page.next_after, page.resource_version)


async def put(call: Call) -> Response:
    """PUT: create or replace, or the plan of it."""
    raw = await request_body.read_object(call.request, call.services.settings.body_limit)
    names = call.names()
    project = call.query.name(q.PROJECT) if call.kind.per_project else None
    wanted = documents.named_by_path(call.kind, names, project, raw)
    access.check_write(call.token, call.kind, wanted.project)
    condition = Condition.of(call)
    if call.query.boolean(q.DRY_RUN):
        return await dry_run(call, lambda tx: _planned(tx, wanted, condition))

    def work(tx: Transaction) -> Result:
        planned = _planned(tx, wanted, condition)
        plan.refuse(planned.steps, several=False)
        if planned.steps[0].action is not Action.UNCHANGED:
            call.audit(tx, key=planned.steps[0].key)
        return plan_execution.carry_out(tx, planned.steps)[0]

    result = await call.services.db.awrite(work)
    return one(result.shown(), _status(result))


async def delete(call: Call) -> Response:
    """DELETE by name: 204 when it is gone, 202 when a controller has to take it down first."""
    project = _project(call)
    key = call.kind.key(*call.names(), project=project)
    access.check_write(call.token, call.kind, project)
    condition = Condition.of(call)
    force = call.kind.name == "Node" and call.query.boolean(q.FORCE)

    def planned(tx: Transaction) -> Plan:
        condition.check(key, resources.get(tx, key))
        return deletion.plan_deletes(tx, [key], force=force)

    if call.query.boolean(q.DRY_RUN):
        return await dry_run(call, planned)
    if force:
        plan.refuse((await call.services.db.aread(planned)).steps, several=False)
        await call.services.cluster_calls().forget_node(*key.names)

    def work(tx: Transaction) -> list[Result]:
        steps = planned(tx).steps
        plan.refuse(steps, several=False)
        call.audit(tx, key=key)
        return deletion.carry_out(tx, steps)

    result = (await call.services.db.awrite(work))[0]
    if result.resource.is_deleting:
        return one(result.resource, 202)
    return Response(status_code=204)


async def dry_run(call: Call, planned: Callable[[Transaction], Plan]) -> Response:
    """The plan, on a snapshot, with forecasts where a service would change."""
    drawn: Plan = await call.services.db.aread(planned)
    return json_response(Plan(drawn.as_of, await _with_forecasts(call, drawn.steps)).render())


class Condition:
    """If-Match and If-None-Match of a request."""

    def __init__(self, match: str | None, none_match: str | None) -> None:
        self._match = match
        self._none_match = none_match

    @classmethod
    def of(cls, call: Call) -> Condition:
        """Of a request; raises InvalidInput when a header makes no sense."""
        headers = call.request.headers
        match, none_match = _tag(headers.get("if-match")), headers.get("if-none-match")
        if match is not None and match != "*" and not (match.isascii() and match.isdigit() and len(match) < 20):
            raise bad("header.If-Match", "must be a resource_version or *")
        if none_match not in (None, "*"):
            raise bad("header.If-None-Match", "must be *")
        return cls(match, none_match)

    def check(self, key: Key, current: AnyResource | None) -> None:
        """Raise PreconditionFailed when the stored form is not the one meant."""
        if self._none_match == "*" and current is not None:
            raise PreconditionFailed(f"{key} exists already")
        if self._match is None:
            return
        if current is None:
            raise PreconditionFailed(f"{key} does not exist")
        if self._match != "*" and int(self._match) != current.resource_version:
            raise PreconditionFailed(f"{key} has resource_version {current.resource_version}, not {self._match}")


def label_filters(call: Call) -> list[LabelFilter]:
    """The ``label`` parameters."""
    return [found for text in call.query.texts(q.LABEL) for found in selectors.parse_labels(text)]


def _planned(tx: Transaction, wanted: AnyResource, condition: Condition) -> Plan:
    drawn = plan.plan_writes(tx, [wanted])
    condition.check(drawn.steps[0].key, drawn.steps[0].current)
    return drawn


async def _with_forecasts(call: Call, steps: Sequence[Step]) -> tuple[Step, ...]:
    """The services' steps get forecasts, asked for together: each sees what those before it would take."""
    concerned = {
        number: step.after
        for number, step in enumerate(steps)
        if isinstance(step.after, RegionService) and _has_to_be_placed(step)
    }
    fine = [number for number in concerned if not (steps[number].unresolved or steps[number].refusals)]
    beside = [step.after for step in steps if step.after is not None and step.action is not Action.DELETE]
    told: dict[int, dict[str, Any]] = {number: {"unknown": "the document would be refused"} for number in concerned}
    told |= zip(fine, await _forecasts(call, [concerned[number] for number in fine], beside), strict=True)
    return tuple(replace(step, forecast=told.get(number)) for number, step in enumerate(steps))


def _has_to_be_placed(step: Step) -> bool:
    """A service that is as it is asked for, but does not stand yet, is foretold too: why is what its user asks."""
    if step.action is Action.UNCHANGED:
        return step.current is not None and step.current.status != Status.ACTIVE
    return step.action in (Action.CREATE, Action.UPDATE)


async def _forecasts(
    call: Call, services: Sequence[RegionService], beside: Sequence[AnyResource]
) -> list[dict[str, Any]]:
    if not services:
        return []
    if call.services.rpc is None:
        return [{"unknown": "this process has no way to the clusters"}] * len(services)
    try:
        async with asyncio.timeout(call.services.settings.forecast_timeout):
            found = await call.services.rpc.forecasts(services, beside)
    except TimeoutError:
        return [{"unknown": "the clusters did not answer in time"}] * len(services)
    except ResourceError as error:
        return [{"unknown": error.message}] * len(services)
    return [each.render() for each in found]


def _status(result: Result) -> int:
    if result.action is Action.UNCHANGED:
        return 200
    if result.resource.kind == "RegionService" and result.resource.status not in ("Active", "Error"):
        return 202
    return 201 if result.action is Action.CREATE else 200


def _project(call: Call) -> str:
    if not call.kind.per_project:
        return "default"
    return call.query.name(q.PROJECT) or "default"


def _list_project(call: Call) -> str | None:
    """The project to list, None for all (and for kinds that have none)."""
    if not call.kind.per_project:
        return None
    value = call.query.text(q.PROJECTS) or "default"
    if value == "*":
        return None
    if not q.is_name(value):
        raise bad("query.project", "must be a project's name or *")
    return value


def _parents(call: Call) -> tuple[str, ...]:
    """The parents in the path; from the first ``-`` on all must be ``-``: every parent."""
    values = [str(value) for value in call.request.path_params.values()]
    named: Iterable[str] = values[: values.index(EVERY)] if EVERY in values else values
    for value in named:
        if not q.is_name(value):
            raise NotFound(f"{value[:100]!r} can be no name")
    if any(value != EVERY for value in values[len(list(named)) :]):
        raise bad("path", "below `-` only `-` can follow")
    return tuple(named)


def _field(text: str) -> tuple[str, str]:
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise bad("query.field", f"{text[:100]!r} must be path=value")
    return path, value


def _tag(header: str | None) -> str | None:
    """A resource_version out of ``42``, ``"42"`` or ``W/"42"``."""
    return None if header is None else header.strip().removeprefix("W/").strip('"')
