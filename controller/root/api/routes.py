"""Every operation of the REST API, as one table: one line per operation, or per operation of every kind.

To find what a request does, find its line here and open the handler. ``{items}`` and ``{item}`` stand for the paths
of a kind, ``{kinds}`` and ``{kind}`` for its names. What the documentation says of an operation is in
``operation_texts``; the rest (statuses, parameters) follows from the line: see ``_operation``.

Design: F1, F2, F3, K2, K3, K4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from controller.model import registry
from controller.model.cluster import CLUSTER
from controller.model.compute import COMPUTE
from controller.model.envelope import Resource
from controller.model.node import NODE
from controller.model.region_service import REGION_SERVICE
from controller.model.registry import Kind
from controller.root.api import actions, batch, capacity, crud, impact, topology, watch
from controller.root.api import move_actions as moves
from controller.root.api import query as q
from controller.root.api.answers import (
    BatchResult,
    ClusterCapacity,
    Impact,
    MovePlan,
    Page,
    Plan,
    RevisionList,
    ScheduleSnapshot,
    TopologyLine,
    WatchLine,
)
from controller.root.api.bodies import (
    Documents,
    Empty,
    KindDocument,
    ManyNodes,
    Migrate,
    Names,
    RebalanceRequest,
    Rollback,
    Scale,
)
from controller.root.api.operation import Access, Handler, Operation
from controller.root.api.operation_texts import text_of
from controller.root.api.query import Parameter


def _every(kind: Kind) -> bool:
    return True


def _user_made(kind: Kind) -> bool:
    return kind.user_made


def _deletable(kind: Kind) -> bool:
    return kind.user_made or kind.deletion.by_name


def _with_revisions(kind: Kind) -> bool:
    return kind.has_revisions


def _can_fail(kind: Kind) -> bool:
    return kind.has_impact


def _nodes(kind: Kind) -> bool:
    return kind is NODE


def _clusters(kind: Kind) -> bool:
    return kind is CLUSTER


def _services(kind: Kind) -> bool:
    return kind is REGION_SERVICE


def _computes(kind: Kind) -> bool:
    return kind is COMPUTE


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    method: str
    path: str
    id: str
    who: Access
    body: type[BaseModel] | None
    answer: type[BaseModel]
    handler: Handler
    of: Callable[[Kind], bool] = _every
    query: tuple[Parameter, ...] = ()


READ, WRITE = Access.READ, Access.WRITE
DRY = (q.DRY_RUN,)
LIST = (q.LABEL, q.FIELD, q.LIMIT, q.AFTER)
WATCH = (q.KINDS, q.SINCE, q.LABEL)
TOPOLOGY = (topology.KINDS, topology.PROJECT, topology.LABEL, topology.FIELD)

# fmt: off
GENERAL = (
    #    method    path                        id                            who may  body              answer            handler                     of which kinds   query
    Line("POST",   "/v1/apply",                "ApplyResources",             WRITE,   Documents,        BatchResult,      batch.apply,                _every,         DRY),
    Line("POST",   "/v1/delete",               "DeleteResources",            WRITE,   Names,            BatchResult,      batch.delete,               _every,         DRY),
    Line("GET",    "/v1/watch",                "WatchResources",             READ,    None,             WatchLine,        watch.watch,                _every,         WATCH),
    Line("GET",    "/v1/topology",             "GetTopology",                READ,    None,             TopologyLine,     topology.topology,          _every,         TOPOLOGY),
)
OF_KINDS = (
    Line("GET",    "{items}",                  "List{kinds}",                READ,    None,             Page,             crud.list_all,              _every,          LIST),
    Line("GET",    "{item}",                   "Get{kind}",                  READ,    None,             Resource,         crud.get),
    Line("PUT",    "{item}",                   "Put{kind}",                  WRITE,   KindDocument,     Resource,         crud.put,                   _user_made,      DRY),
    Line("DELETE", "{item}",                   "Delete{kind}",               WRITE,   None,             Resource,         crud.delete,                _deletable,      DRY),
    Line("POST",   "{item}/cordon",            "CordonNode",                 WRITE,   Empty,            Resource,         actions.cordon,             _nodes,          DRY),
    Line("POST",   "{item}/uncordon",          "UncordonNode",               WRITE,   Empty,            Resource,         actions.uncordon,           _nodes,          DRY),
    Line("POST",   "{item}/cancel-drain",      "CancelDrainNode",            WRITE,   Empty,            Resource,         actions.cancel_drain,       _nodes,          DRY),
    Line("POST",   "{item}/scale",             "ScaleRegionService",         WRITE,   Scale,            Resource,         actions.scale,              _services,       DRY),
    Line("POST",   "{item}/rollback",          "RollbackRegionService",      WRITE,   Rollback,         Resource,         actions.rollback,           _services,       DRY),
    Line("POST",   "{item}/start",             "StartCompute",               WRITE,   Empty,            Resource,         actions.start,              _computes,       DRY),
    Line("POST",   "{item}/stop",              "StopCompute",                WRITE,   Empty,            Resource,         actions.stop,               _computes,       DRY),
    Line("POST",   "{item}/reboot",            "RebootCompute",              WRITE,   Empty,            Resource,         actions.reboot,             _computes,       DRY),
    Line("POST",   "{item}/migrate",           "MigrateCompute",             WRITE,   Migrate,          Resource,         actions.migrate,            _computes,       DRY),
    Line("POST",   "{item}/drain",             "DrainNode",                  WRITE,   Empty,            Resource,         moves.drain_node,           _nodes,          DRY),
    Line("POST",   "{item}/drain",             "DrainNodes",                 WRITE,   ManyNodes,        BatchResult,      moves.drain_nodes,          _clusters,       DRY),
    Line("POST",   "{item}/cancel-drain",      "CancelDrainNodes",           WRITE,   ManyNodes,        BatchResult,      moves.cancel_drains,        _clusters,       DRY),
    Line("POST",   "{item}/rebalance",         "RebalanceRegionService",     WRITE,   RebalanceRequest, MovePlan,         moves.rebalance,            _services,       DRY),
    Line("GET",    "{item}/revisions",         "List{kind}Revisions",        READ,    None,             RevisionList,     actions.list_revisions,     _with_revisions),
    Line("GET",    "{item}/impact",            "Get{kind}Impact",            READ,    None,             Impact,           impact.get,                 _can_fail,       (impact.LIMIT,)),
    Line("GET",    "{item}/capacity",          "GetClusterCapacity",         READ,    None,             ClusterCapacity,  capacity.capacity,          _clusters,       (capacity.MOVING,)),
    Line("GET",    "{item}/schedule-snapshot", "GetClusterScheduleSnapshot", READ,    None,             ScheduleSnapshot, capacity.schedule_snapshot, _clusters),
)
# fmt: on

MORE_STATUSES: Mapping[str, tuple[int, ...]] = {
    "WatchResources": (410,),
    "GetTopology": (304,),
    "DeleteNode": (503,),
    "GetClusterCapacity": (503,),
    "GetClusterScheduleSnapshot": (503,),
    "DrainNode": (503, 504),
    "DrainNodes": (503, 504),
    "RebalanceRegionService": (503, 504),
}
"""By id: statuses that do not follow from the line; 503 and 504 where a cluster is asked."""
PLANS: Mapping[str, type[BaseModel]] = {
    "DrainNode": MovePlan,
    "DrainNodes": MovePlan,
    "RebalanceRegionService": MovePlan,
}
"""By id: answers of a dry run that are not a ``Plan``."""


def operations() -> tuple[Operation, ...]:
    """Return all operations, in the order of the documentation: the general ones, then those of each kind."""
    return (
        *(_operation(line) for line in GENERAL),
        *(_operation(line, kind) for kind in registry.kinds() for line in OF_KINDS if line.of(kind)),
    )


def _operation(line: Line, kind: Kind | None = None) -> Operation:
    names = {} if kind is None else {"kind": kind.name, "kinds": kind.plural_name}
    identity = line.id.format(**names)
    text = text_of(line.id, kind)
    return Operation(
        id=identity,
        method=line.method,
        path=line.path if kind is None else _path(line.path, kind),
        summary=text.summary.format(**names),
        description=text.description,
        design_methods=text.design_methods,
        handler=line.handler,
        access=line.who,
        body=line.body,
        answers=dict(_answers(line, kind, identity)),
        errors=tuple(sorted(_errors(line, kind, identity))),
        parameters=_parameters(line, kind),
        plan=PLANS.get(identity, Plan),
        kind=kind,
    )


def _path(path: str, kind: Kind) -> str:
    return path.replace("{items}", kind.collection_path).replace("{item}", kind.item_path)


def _answers(line: Line, kind: Kind | None, identity: str) -> Iterator[tuple[int, type[BaseModel] | None]]:
    """Yield each good status with the model of its body. What a controller completes later is 202."""
    if line.method == "DELETE":
        assert kind is not None
        deferred = kind.deletion.by_controller or kind.deletion.by_name
        yield (202, line.answer) if deferred else (204, None)
        yield 200, Plan
        return
    yield 200, line.answer
    if line.method == "PUT":
        assert kind is not None
        yield 202 if kind.deletion.by_controller else 201, line.answer
    elif line.method == "POST" and kind is not None:
        yield 202, line.answer
    for status in MORE_STATUSES.get(identity, ()):
        if status < 400:
            yield status, None


def _errors(line: Line, kind: Kind | None, identity: str) -> Iterator[int]:
    yield from (401, 403, 422, 429)
    if kind is not None:
        yield 404
    if line.who is Access.WRITE:
        yield 409
    if line.method in ("PUT", "DELETE"):
        yield 412
    if line.body is not None:
        yield from (413, 415)
    yield from (status for status in MORE_STATUSES.get(identity, ()) if status >= 400)


def _parameters(line: Line, kind: Kind | None) -> tuple[Parameter, ...]:
    own: tuple[Parameter, ...] = ()
    if kind is not None and kind.per_project:
        own = (q.PROJECTS if line.answer is Page else q.PROJECT,)
    if kind is not None and line.method == "DELETE" and kind.deletion.takes_force:
        own = (*own, q.FORCE)
    return (*own, *line.query)
