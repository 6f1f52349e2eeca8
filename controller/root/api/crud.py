"""Handlers of every kind's own routes: list, get, put and delete.

Each reads the request, checks the rights and says what is to be read or planned. How a PUT goes on from here, to the
plan and to the refusals of fields, is described in ``write_transaction``. A forced delete asks the cluster between
two plans: the node's assignments are deleted there first.
"""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from controller.errors import NotFound
from controller.model import registry
from controller.model.envelope import Status
from controller.model.registry import AnyResource, Key
from controller.root.api import access, documents, list_filters, plan_preview, request_body, write_transaction
from controller.root.api import query as q
from controller.root.api.operation import Call
from controller.root.api.preconditions import Precondition
from controller.root.api.render import answer, listing, one
from controller.root.writes import deletion, plan
from controller.root.writes.plan import Action, Plan
from controller.root.writes.plan_execution import Result
from controller.store import processes, resources
from controller.store.database import Transaction
from controller.store.resources import Page


async def list_all(call: Call) -> Response:
    """Answer the GET of a collection with one page."""
    kind = call.kind
    parents = list_filters.parents_of(call)
    project = list_filters.project_of(call)
    access.check_read(call.token, kind, project or "")
    labels = list_filters.labels_of(call)
    fields = list_filters.fields_of(call)
    limit = call.query.integer(q.LIMIT) or call.services.settings.page_default
    after = call.query.text(q.AFTER)

    def work(tx: Transaction) -> Page:
        if parents and kind.parent is not None and len(parents) == len(kind.parents):
            resources.get(tx, registry.get(kind.parent).key(*parents))
        page = resources.list_page(
            tx,
            kind.name,
            parents=parents,
            project=project,
            of_projects=call.token.spec.projects,
            labels=labels,
            fields=fields,
            limit=limit,
            after=after,
        )
        return replace(page, items=processes.with_beats(tx, page.items))

    page = await call.services.db.aread(work)
    seen = page.items if not access.hides(call.token, kind) else [access.shown(call.token, each) for each in page.items]
    return listing(seen, page.next_after, page.resource_version)


async def get(call: Call) -> Response:
    """Answer the GET of one resource."""
    key = call.key()
    access.check_read(call.token, call.kind, key.project)

    def work(tx: Transaction) -> AnyResource:
        return processes.with_beats(tx, [resources.get(tx, key)])[0]

    resource = await call.services.db.aread(work)
    if not access.is_visible(call.token, resource):
        raise NotFound(f"{key} does not exist")
    return one(access.shown(call.token, resource))


async def put(call: Call) -> Response:
    """Create or replace a resource, or answer with the plan of it."""
    wanted = await _wanted(call)
    access.check_write(call.token, call.kind, wanted.project)
    precondition = Precondition.of(call.request.headers)

    def planned(tx: Transaction) -> Plan:
        found = plan.plan_writes(tx, [wanted])
        precondition.check(found.steps[0].key, found.steps[0].current)
        return found

    if call.query.boolean(q.DRY_RUN):
        return answer(await plan_preview.preview(call, planned))
    result = (await write_transaction.execute(call, planned, several=False)).results[0]
    return one(result.shown(), _status(result))


async def delete(call: Call) -> Response:
    """Delete a resource: 204 when it is deleted, 202 when a controller has to delete what belongs to it first."""
    key = call.key()
    access.check_write(call.token, call.kind, key.project)
    precondition = Precondition.of(call.request.headers)
    force = call.kind.deletion.takes_force and call.query.boolean(q.FORCE)

    def planned(tx: Transaction) -> Plan:
        precondition.check(key, resources.get(tx, key))
        return deletion.plan_deletes(tx, [key], force=force)

    if call.query.boolean(q.DRY_RUN):
        return answer(await plan_preview.preview(call, planned))
    if force:
        await _delete_assignments(call, key, await call.services.db.aread(planned))
    written = await write_transaction.execute(call, planned, several=False, by=deletion.execute, audited=key)
    resource = written.results[0].resource
    return one(resource, 202) if resource.is_deleting else Response(status_code=204)


async def _wanted(call: Call) -> AnyResource:
    """Return the resource that the path and the body ask for."""
    raw = await request_body.read_object(call.request, call.services.settings.body_limit)
    project = call.query.name(q.PROJECT) if call.kind.per_project else None
    return documents.named_by_path(call.kind, call.names(), project, raw)


async def _delete_assignments(call: Call, key: Key, planned: Plan) -> None:
    """Let the cluster delete the assignments of a lost node, unless the delete would be refused."""
    plan.refuse(planned.steps, several=False)
    await call.services.cluster_calls().forget_node(*key.names)


def _status(result: Result) -> int:
    if result.action is Action.UNCHANGED:
        return 200
    completed = result.resource.status in (Status.ACTIVE, Status.ERROR)
    if registry.get(result.resource.kind).deletion.by_controller and not completed:
        return 202
    return 201 if result.action is Action.CREATE else 200
