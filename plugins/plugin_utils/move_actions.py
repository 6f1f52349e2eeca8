# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that move many Computes: drains of several nodes or a rack, their end, and the rebalance of a service.

In check mode the server is asked for its dry run, which names the moves. Only the cluster knows them: a drain works
without it, and in check mode its absence is a warning; a rebalance fails, as it does without check mode.
"""

from __future__ import annotations

import typing as t

from . import resource_task
from .actions import NO_MOVES, is_empty, moves_of_drain
from .resource_task import Document, Named
from .task import Task


def move(task: Task) -> Document:
    """Do the action, or in check mode return what it would do."""
    named = Named(task)
    missing = resource_task.missing_in_check(task, named)
    if missing:  # with what RETURN promises: nothing is known to move
        return {**missing, **_NOTHING[task.module]}
    return _ACTIONS[task.module](task, named)


def _rebalance(task: Task, named: Named) -> Document:
    body = task.given(("max_moves", "at_once"))
    query = {**named.query, "dry_run": "true"} if task.check else named.query
    plan: Document = task.client.request("POST", f"{named.path}/rebalance", query=query, body=body)[1]
    moves = plan["moves"]
    task.wrote = bool(moves) and not task.check
    diff = _diff(named, "rebalance", {one["resource"]: (one["from"], one["to"]) for one in moves})
    if task.arguments["wait"] and task.wrote:
        _wait_for_moves(task, named, moves)
    return {"changed": bool(moves), "plan": plan, "diff": diff, "resource": named.existing()}


def _wait_for_moves(task: Task, named: Named, moves: t.Sequence[t.Mapping[str, str]]) -> None:
    """Wait until each move has ended; those that the cluster has given up are warnings, for others may have helped."""
    wanted = {one["resource"].rpartition("/")[2]: one["to"] for one in moves}
    path, _services, _name = named.path.rpartition("/services/")
    query = [*named.query.items(), ("field", f"spec.service={named.names['name']}")]
    found: list[Document] = []

    def done() -> bool:
        nonlocal found
        rows = resource_task.listed(task, f"{path}/computes", query)
        found = [row for row in rows if row["name"] in wanted]
        return all(_has_ended(row) for row in found)

    task.until(done, f"{named}: its Computes did not move")
    for row in found:
        seen, node = row.get("observed") or {}, wanted[row["name"]]
        if seen.get("node") != node:
            task.warn(f"Compute {row['name']} did not move to {node}: {_reason(seen, node)}")


def _reason(seen: t.Mapping[str, t.Any], node: str) -> str:
    """Return why a move to the node failed. What the cluster keeps may be of another move, or of none."""
    failed = seen.get("migration_failed") or {}
    reason = failed.get("reason") if failed.get("target") == node else None
    return str(reason or "see its events")


def _has_ended(compute: Document) -> bool:
    seen = compute.get("observed") or {}
    return int(seen.get("migrations") or 0) >= compute["spec"]["migrations"] and not seen.get("migrating_to")


def _drain(task: Task, named: Named) -> Document:
    body = task.given(("nodes", "rack"))
    if task.check:
        # Of its end, a node that does not drain yet is unchanged: those are what the drain changes.
        steps = _planned_cancel(task, named, body)
        names = [name for name, action in steps.items() if action == "unchanged"]
        result = _of_nodes(named, "drain", names, drains=True)
        result["plan"] = moves_of_drain(task, named, body)
        return result
    written = task.client.request("POST", f"{named.path}/drain", body=body)[1]["results"]
    steps = {_node(one): one["action"] for one in written}
    names = [name for name, action in steps.items() if action != "unchanged"]
    task.wrote = bool(names)
    if task.arguments["wait"]:
        cluster = named.names["name"]
        task.until(lambda: all(is_empty(task, cluster, one) for one in steps), f"{named}: nodes did not become empty")
    return _of_nodes(named, "drain", names, drains=True)


def _cancel_drain(task: Task, named: Named) -> Document:
    body = task.given(("nodes", "rack"))
    if task.check:
        steps = _planned_cancel(task, named, body)
    else:
        written = task.client.request("POST", f"{named.path}/cancel-drain", body=body)[1]["results"]
        steps = {_node(one): one["action"] for one in written}
    names = [name for name, action in steps.items() if action != "unchanged"]
    task.wrote = bool(names) and not task.check
    return _of_nodes(named, "cancel-drain", names, drains=False)


def _planned_cancel(task: Task, named: Named, body: Document) -> dict[str, str]:
    """Return the nodes that are meant, with what the end of their drains would do to each."""
    query = {"dry_run": "true"}
    changes = task.client.request("POST", f"{named.path}/cancel-drain", query=query, body=body)[1]["changes"]
    return {_node(one): one["action"] for one in changes}


def _node(written: t.Mapping[str, str]) -> str:
    return written["key"].rpartition("/")[2]


def _of_nodes(named: Named, verb: str, names: t.Sequence[str], *, drains: bool) -> Document:
    diff = _diff(named, verb, dict.fromkeys(names, (not drains, drains)))
    return {"changed": bool(names), "nodes": list(names), "diff": diff, "resource": named.existing()}


def _diff(named: Named, verb: str, values: t.Mapping[str, t.Tuple[t.Any, t.Any]]) -> Document:
    return {
        "before": {name: before for name, (before, _after) in values.items()},
        "after": {name: after for name, (_before, after) in values.items()},
        "before_header": str(named),
        "after_header": f"{named} ({verb})",
    }


_NOTHING: t.Mapping[str, Document] = {
    "cluster_cancel_drain": {"nodes": []},
    "cluster_drain": {"nodes": [], "plan": NO_MOVES},
    "region_service_rebalance": {"plan": NO_MOVES},
}
_ACTIONS: t.Mapping[str, t.Callable[[Task, Named], Document]] = {
    "cluster_cancel_drain": _cancel_drain,
    "cluster_drain": _drain,
    "region_service_rebalance": _rebalance,
}
