# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions on one resource. In check mode and with ``--diff`` the server plans them: it says what would change, and what
it would refuse.
"""

from __future__ import annotations

import typing as t

from ..module_utils.client import ApiError
from .plan_result import planned_change, warn_of_unresolved
from .resource_task import Document, Named, missing_in_check
from .task import Refused, Task

Asked = tuple[str, Document | None, bool, Document]
"""Last part of the path, body, whether anything changes, and the fields that do."""
NO_MOVES: Document = {"moves": [], "blocked": [], "message": ""}
"""The plan of what the play is to create: nothing is known to move."""


def act(task: Task) -> Document:
    """Do the action, or in check mode return what it would do."""
    named = Named(task)
    missing = missing_in_check(task, named)
    if missing is not None:
        return {**missing, "plan": NO_MOVES} if task.module == "node_drain" else missing
    before = named.existing()
    verb, body, changes, fields = _VERBS[task.module](task, named, before)
    title = str(named)
    old = {name: before["spec"].get(name) for name in fields}
    result: Document = {"changed": changes, "resource": before}
    result["diff"] = {"before": old, "after": fields, "before_header": title, "after_header": f"{title} ({verb})"}
    if task.check or (task.diff and task.module != "node_drain"):
        if task.module == "node_drain":
            result["plan"] = moves_of_drain(task, named, None)
        elif changes:
            planned = _plan(task, named, verb, body)["changes"][0]
            result.update(planned_change(planned, title))
            if task.check:  # without check mode the action is refused for them
                warn_of_unresolved(task, result.get("unresolved", ()), title)
            result["diff"]["after_header"] = f"{title} ({verb})"
    if task.check:
        return result
    if changes:
        result["resource"] = task.client.request("POST", f"{named.path}/{verb}", query=named.query, body=body or {})[1]
        task.wrote = True
    if task.arguments["wait"]:
        result["resource"] = _wait(task, named)
    return result


def _plan(task: Task, named: Named, verb: str, body: Document | None) -> Document:
    """Return what the server answers to a dry run of the action."""
    query = {**named.query, "dry_run": "true"}
    plan: Document = task.client.request("POST", f"{named.path}/{verb}", query=query, body=body or {})[1]
    return plan


def moves_of_drain(task: Task, named: Named, body: Document | None) -> Document:
    """Return the moves of a drain; the drain itself needs no cluster, so that one which is away is a warning only."""
    try:
        return _plan(task, named, "drain", body)
    except ApiError as error:
        if error.status not in (503, 504):
            raise
        task.warn(f"{named}: the moves are unknown: {error}")
        return {}


def _wait(task: Task, named: Named) -> Document:
    if task.module == "compute_power" and task.arguments["state"] != "rebooted":
        state = "Running" if task.arguments["state"] == "started" else "Stopped"
        task.until(lambda: named.existing()["state"] == state, f"{named} did not become {state}")
        return named.existing()
    if task.module == "compute_migrate":
        task.until(lambda: _moved(task, named), f"{named} did not move")
        return named.existing()
    if task.module != "node_drain":
        return named.wait_active()
    cluster, node = named.names["cluster"], named.names["name"]
    task.until(lambda: is_empty(task, cluster, node), f"{named} did not become empty")
    return named.existing()


def is_empty(task: Task, cluster: str, node: str) -> bool:
    """Return whether nothing is assigned to the node."""
    query = {"field": f"spec.node={node}", "limit": "1"}
    found = task.client.request("GET", f"/v1/clusters/{cluster}/assignments", query=query)[1]["items"]
    return not found


def _moved(task: Task, named: Named) -> bool:
    """Return whether the last requested move has ended; raises Refused when it failed."""
    found, node = named.existing(), task.arguments["node"]
    seen = found.get("observed") or {}
    if int(seen.get("migrations") or 0) < found["spec"]["migrations"] or seen.get("migrating_to"):
        return False
    if seen.get("migration_failed") and (node is None or seen.get("node") != node):
        raise Refused(f"{named} did not move: {seen['migration_failed'].get('reason')}", resource=found)
    return node is None or bool(seen.get("node") == node)


def _cordon(task: Task, named: Named, before: Document) -> Asked:
    # A cordon of a drain's own goes with the drain; one that is asked for stays.
    fields = {"schedulable": False, "cordoned_by": "Operator"}
    return "cordon", None, any(before["spec"].get(name) != value for name, value in fields.items()), fields


def _uncordon(task: Task, named: Named, before: Document) -> Asked:
    fields = {"schedulable": True, "drain": False}
    return "uncordon", None, any(before["spec"].get(name) != value for name, value in fields.items()), fields


def _drain(task: Task, named: Named, before: Document) -> Asked:
    fields = {"schedulable": False, "drain": True}
    return "drain", None, not before["spec"].get("drain"), fields


def _cancel_drain(task: Task, named: Named, before: Document) -> Asked:
    # A cordon of the drain's own goes with it; one that is the operator's stays.
    opens = before["spec"].get("cordoned_by") == "Drain"
    fields = {"drain": False, **({"schedulable": True} if opens else {})}
    return "cancel-drain", None, bool(before["spec"].get("drain")), fields


def _scale(task: Task, named: Named, before: Document) -> Asked:
    fields = {"replicas": task.arguments["replicas"]}
    return "scale", fields, before["spec"]["replicas"] != fields["replicas"], fields


def _rollback(task: Task, named: Named, before: Document) -> Asked:
    kept = task.client.request("GET", f"{named.path}/revisions", query=named.query)[1]["items"]
    number = task.arguments["revision"]
    older = [one for one in kept if one["revision"] < before["revision"]]
    found = [one for one in kept if one["revision"] == number] if number is not None else older[-1:]
    if not found:
        have = ", ".join(str(one["revision"]) for one in kept)
        raise Refused(f"{named}: revision: {number or 'the one before'} is not kept, there are {have}")
    spec = found[0]["spec"]
    fields = {name: value for name, value in spec.items() if name != "replicas" and before["spec"].get(name) != value}
    return "rollback", {"revision": found[0]["revision"]}, bool(fields), fields


def _power(task: Task, named: Named, before: Document) -> Asked:
    wanted = task.arguments["state"]
    if wanted == "rebooted":
        if before["spec"]["power"] != "Running":
            raise Refused(f"{named} is stopped: start it")
        return "reboot", None, True, {"reboots": before["spec"]["reboots"] + 1}
    verb, power = ("start", "Running") if wanted == "started" else ("stop", "Stopped")
    return verb, None, before["spec"]["power"] != power, {"power": power}


def _migrate(task: Task, named: Named, before: Document) -> Asked:
    node, spec, observed = task.arguments["node"], before["spec"], before.get("observed") or {}
    waits = spec["migrations"] > int(observed.get("migrations") or 0) and spec["migrate_to"] == node
    same = waits or (node is not None and node in (observed.get("node"), observed.get("migrating_to")))
    return "migrate", {"node": node} if node else None, not same, {} if same else {"migrate_to": node}


_VERBS: t.Mapping[str, t.Callable[[Task, Named, Document], Asked]] = {
    "node_cordon": _cordon,
    "node_uncordon": _uncordon,
    "node_drain": _drain,
    "node_cancel_drain": _cancel_drain,
    "region_service_scale": _scale,
    "region_service_rollback": _rollback,
    "compute_power": _power,
    "compute_migrate": _migrate,
}
