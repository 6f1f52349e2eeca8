"""Every operation of the API, as data; those of the kinds follow from the registry alone.

Rows: F1 and F2 (the kinds' own methods), F3 (cordon, uncordon, drain, delete of nodes), K2-K4
(what has no PUT or no DELETE: Computes and Loadbalancers are made only through a RegionService, a
Compute can be deleted by name, a Loadbalancer cannot).
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.model import registry
from controller.model.registry import Kind
from controller.root.api import actions, batch, capacity, crud, impact, move_actions, topology, watch
from controller.root.api import query as q
from controller.root.api.operation import Access, Operation

_READ_ERRORS = (401, 403, 404, 422)
_WRITE_ERRORS = (401, 403, 404, 409, 412, 413, 415, 422)
_DELETABLE = frozenset({"Compute"})
"""Kinds that users do not make but may delete by name (K3)."""
_PLAN = "Plan"


def operations() -> tuple[Operation, ...]:
    """All of them, in the order of the documentation."""
    return (*_general(), *(one for kind in registry.kinds() for one in _all_of(kind)))


def _all_of(kind: Kind) -> Iterator[Operation]:
    yield from _of_kind(kind)
    yield from _actions(kind)
    yield from impact.operations(kind)
    yield from capacity.operations(kind)


def _general() -> Iterator[Operation]:
    yield Operation(
        "ApplyResources",
        "POST",
        "/v1/apply",
        "Create or replace many resources in one transaction",
        batch.apply,
        Access.WRITE,
        {200: "BatchResult"},
        (401, 403, 409, 413, 415, 422),
        (q.DRY_RUN,),
        "Documents",
        tag="Many",
        description="A JSON list, or YAML documents with `---` between them: all of them are written, or none. "
        "With `dry_run` the answer is a Plan.",
    )
    yield Operation(
        "DeleteResources",
        "POST",
        "/v1/delete",
        "Delete many resources in one transaction",
        batch.delete,
        Access.WRITE,
        {200: "BatchResult"},
        (401, 403, 409, 413, 415, 422),
        (q.DRY_RUN,),
        "Names",
        tag="Many",
        description="Children go before parents, whatever the order; what is not there is passed over. "
        "RegionServices only become Deleting, so what they use is in use until their controller is done.",
    )
    yield Operation(
        "WatchResources",
        "GET",
        "/v1/watch",
        "Stream changes",
        watch.watch,
        Access.READ,
        {200: "WatchLine"},
        (401, 403, 410, 422),
        (q.KINDS, q.SINCE, q.LABEL),
        tag="Many",
        description="NDJSON, one change a line, until the caller hangs up.",
        streaming=True,
    )
    yield from topology.operations()


def _of_kind(kind: Kind) -> Iterator[Operation]:
    project = (q.PROJECT,) if kind.per_project else ()
    projects = (q.PROJECTS,) if kind.per_project else ()
    verbs = kind.design_methods
    yield Operation(
        f"List{kind.plural_name}",
        "GET",
        kind.collection_path,
        f"List {kind.plural_name}",
        crud.list_all,
        Access.READ,
        {200: f"{kind.name}List"},
        _READ_ERRORS,
        (*projects, q.LABEL, q.FIELD, q.LIMIT, q.AFTER),
        kind=kind,
        design_methods=verbs.get("List", ""),
        tag=kind.name,
        description="Ordered by name, in pages. `-` in place of a parent's name: of every parent."
        if kind.parent
        else "",
    )
    yield Operation(
        f"Get{kind.name}",
        "GET",
        kind.item_path,
        f"Get a {kind.name}",
        crud.get,
        Access.READ,
        {200: kind.name},
        _READ_ERRORS,
        project,
        kind=kind,
        design_methods=verbs.get("Get", ""),
        tag=kind.name,
    )
    if kind.user_made:
        yield Operation(
            f"Put{kind.name}",
            "PUT",
            kind.item_path,
            f"Create or replace a {kind.name}",
            crud.put,
            Access.WRITE,
            {200: kind.name, (202 if kind.name == "RegionService" else 201): kind.name},
            _WRITE_ERRORS,
            (*project, q.DRY_RUN),
            f"{kind.name}Document",
            kind=kind,
            design_methods=verbs.get("Put", ""),
            tag=kind.name,
            description="Only what users write is replaced; an unchanged document writes nothing. "
            "With `dry_run` the answer is a Plan.",
        )
    if kind.user_made or kind.name in _DELETABLE:
        deferred = {202: kind.name} if kind.name in ("RegionService", "Compute") else {}
        yield Operation(
            f"Delete{kind.name}",
            "DELETE",
            kind.item_path,
            f"Delete a {kind.name}",
            crud.delete,
            Access.WRITE,
            {**(deferred or {204: ""}), 200: _PLAN},
            (*_WRITE_ERRORS[:5], 422, *((503,) if kind.name == "Node" else ())),
            (*project, *((q.FORCE,) if kind.name == "Node" else ()), q.DRY_RUN),
            kind=kind,
            design_methods=verbs.get("Delete", ""),
            tag=kind.name,
            description="What is in use is refused with its users. With `dry_run` the answer is a Plan.",
        )


def _actions(kind: Kind) -> Iterator[Operation]:
    project = (q.PROJECT,) if kind.per_project else ()
    table = {
        "Node": (
            ("CordonNode", "cordon", "Take nothing new", actions.cordon, "Empty"),
            ("UncordonNode", "uncordon", "Take part again, and call a drain off", actions.uncordon, "Empty"),
            ("CancelDrainNode", "cancel-drain", "Call a drain off", actions.cancel_drain, "Empty"),
        ),
        "RegionService": (
            ("ScaleRegionService", "scale", "Set the number of replicas", actions.scale, "Scale"),
            ("RollbackRegionService", "rollback", "Go back to a revision", actions.rollback, "Rollback"),
        ),
        "Compute": (
            ("StartCompute", "start", "Start", actions.start, "Empty"),
            ("StopCompute", "stop", "Shut down", actions.stop, "Empty"),
            ("RebootCompute", "reboot", "Reboot", actions.reboot, "Empty"),
            ("MigrateCompute", "migrate", "Move to another node while it runs", actions.migrate, "Migrate"),
        ),
    }
    for identity, verb, summary, handler, schema in table.get(kind.name, ()):
        yield Operation(
            identity,
            "POST",
            f"{kind.item_path}/{verb}",
            summary,
            handler,
            Access.WRITE,
            {200: kind.name, 202: kind.name},
            (401, 403, 404, 409, 413, 415, 422),
            project,
            schema,
            kind=kind,
            design_methods=("" if identity == "CancelDrainNode" else identity)
            if kind.name == "Node"
            else "UpdateResource",
            tag=kind.name,
        )
    yield from _moves(kind)
    if kind.has_revisions:
        yield Operation(
            f"List{kind.name}Revisions",
            "GET",
            f"{kind.item_path}/revisions",
            "List the revisions that are kept",
            actions.list_revisions,
            Access.READ,
            {200: "RevisionList"},
            _READ_ERRORS,
            project,
            kind=kind,
            tag=kind.name,
        )


def _moves(kind: Kind) -> Iterator[Operation]:
    """What moves many at once: its dry run, and a rebalance itself, are asked of the cluster."""
    table = {
        "Node": (("DrainNode", "drain", "Cordon, and move everything away", move_actions.drain_node, "Empty", "Node"),),
        "Cluster": (
            (
                "DrainNodes",
                "drain",
                "Drain nodes, or a whole rack",
                move_actions.drain_nodes,
                "ManyNodes",
                "BatchResult",
            ),
            (
                "CancelDrainNodes",
                "cancel-drain",
                "Call drains off; nodes that were cordoned before stay so",
                move_actions.cancel_drains,
                "ManyNodes",
                "BatchResult",
            ),
        ),
        "RegionService": (
            (
                "RebalanceRegionService",
                "rebalance",
                "Move Computes so that they are spread as its rules say",
                move_actions.rebalance,
                "Rebalance",
                "MovePlan",
            ),
        ),
    }
    for identity, verb, summary, handler, schema, answer in table.get(kind.name, ()):
        cancels = identity == "CancelDrainNodes"
        yield Operation(
            identity,
            "POST",
            f"{kind.item_path}/{verb}",
            summary,
            handler,
            Access.WRITE,
            {200: answer, 202: answer},
            (401, 403, 404, 409, 413, 415, 422, *(() if cancels else (503, 504))),
            (*((q.PROJECT,) if kind.per_project else ()), *(() if cancels else (q.DRY_RUN,))),
            plan="MovePlan",
            body=schema,
            kind=kind,
            design_methods="" if cancels else "UpdateResource" if kind.per_project else "DrainNode",
            tag=kind.name,
            description=""
            if cancels
            else "With `dry_run` the answer is a MovePlan: what would move where, and what stands in the way.",
        )
