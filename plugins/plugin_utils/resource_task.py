# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One resource: created, changed or deleted by name, listed, or acted on.

A change is the arguments of the task merged into the current document, so that a field which the task does not name
does not change. It is written only if nobody else wrote in between; else it is retried on the newer state. Check mode
and ``--diff`` show the server's own plan.
"""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from ..module_utils.client import ApiError
from .plan_result import planned_change, request_plan, warn_of_unresolved
from .task import Refused, Task, WaitTimeout, name_of

Document = dict[str, t.Any]
_TRIES = 5
_PAGE = "1000"


class Named:
    """The resource that a task names."""

    def __init__(self, task: Task) -> None:
        self.task, self.entry, self.client = task, task.entry, task.client
        names = (*self.entry["parents"], "name")
        self.names: dict[str, str] = {name: name_of(name, task.arguments[name]) for name in names}
        self.query: dict[str, str] = {}
        if self.entry["per_project"]:
            self.query["project"] = task.arguments["project"] or "default"
        self.path = self.entry["path"].format(**{name: quote(value, safe="") for name, value in self.names.items()})

    def __str__(self) -> str:
        return f"{self.entry['kind']} {'/'.join((*self.query.values(), *self.names.values()))}"

    @property
    def identity(self) -> Document:
        """Return the part of a document that identifies the resource."""
        return {"kind": self.entry["kind"], **self.names, **self.query}

    def get(self) -> Document | None:
        """Return the resource; None when it does not exist."""
        try:
            return self.client.request("GET", self.path, query=self.query)[1]
        except ApiError as error:
            if error.code == "not_found":
                return None
            raise

    def existing(self) -> Document:
        """Return the resource; raises Refused when it does not exist."""
        found = self.get()
        if found is None:
            raise Refused(f"{self} does not exist")
        return found

    def wait_active(self) -> Document:
        """Wait until the resource is Active; raises Refused when it is in Error."""
        found = self.existing()

        def done() -> bool:
            nonlocal found
            found = self.existing()
            if found["status"] == "Error":
                raise Refused(f"{self}: {found['status_reason'] or 'Error'}", resource=found)
            return bool(found["status"] == "Active")

        try:
            self.task.until(done, f"{self} did not become Active")
        except WaitTimeout as error:
            raise Refused(f"{error}{_state_text(found)}", resource=found) from None
        return found


def present(task: Task) -> Document:
    """Create or change the resource, or plan it."""
    named = Named(task)
    entry = task.entry
    around = task.given(name for name in ("labels", "max_revision_history") if name in entry["options"])
    spec = {entry["fields"][option]: value for option, value in task.given(entry["fields"]).items()}
    cleared = _cleared(task)
    for count in range(_TRIES):
        task.pause(count)
        current = named.get()
        if current is not None and current["status"].startswith("Deleting"):
            raise Refused(f"{named} is being deleted: run this again when it is deleted", resource=current)
        before = current or {"spec": {}}
        kept = {name: before[name] for name in ("labels", "max_revision_history") if current and name in before}
        kept = {name: value for name, value in kept.items() if name not in cleared}
        left = {field: value for field, value in before["spec"].items() if field not in cleared}
        wanted = {**named.identity, **kept, **around, "spec": {**left, **spec}}
        # What is cleared may have its default already: the server knows.
        same = current is not None and not cleared and all(wanted[name] == current[name] for name in ("spec", *kept))
        result: Document = {"changed": not same, "resource": current or {}}
        if same:
            break
        if task.check or task.diff:
            result.update(planned_change(request_plan(task, wanted), str(named)))
            warn_of_unresolved(task, result.get("unresolved", ()), str(named))
        if task.check:
            return result
        try:
            match = {"If-None-Match": "*"} if current is None else {"If-Match": f'"{current["resource_version"]}"'}
            stored = task.client.request("PUT", named.path, query=named.query, body=wanted, headers=match)[1]
        except ApiError as error:
            if error.status != 412:
                raise
            continue
        task.wrote = current is None or stored["resource_version"] != current["resource_version"]
        result.update(changed=task.wrote, resource=stored)
        break
    else:
        raise Refused(f"{named} was changed by others {_TRIES} times in a row while this was written")
    if task.arguments["wait"] and not task.check:
        made = result["resource"].get("observed") or {}
        result["resource"] = named.wait_active()
        if "secret" in made:  # shown once, by the answer to the write
            result["resource"].setdefault("observed", {})["secret"] = made["secret"]
    return result


def _cleared(task: Task) -> set[str]:
    """Return the fields that get their defaults again; raises Refused for one that the task also gives."""
    names = task.arguments.get("clear") or ()
    given = [name for name in names if task.arguments.get(name) is not None]
    if given:
        raise Refused(f"clear: {given[0]} is also given a value")
    return {task.entry["fields"].get(name, name) for name in names}


def absent(task: Task) -> Document:
    """Delete the resource, or plan it."""
    named = Named(task)
    current = named.get()
    if current is None:
        return {"changed": False, "resource": {}}
    leaving = current["status"].startswith("Deleting")
    result: Document = {"changed": not leaving, "resource": current}
    if task.check or task.diff:
        query = {**named.query, "dry_run": "true"}
        changes = task.client.request("DELETE", named.path, query=query)[1]["changes"]
        result.update(planned_change(changes[0], str(named)))
        result["changed"] = not leaving
    if task.check:
        return result
    if not leaving:
        left = task.client.request("DELETE", named.path, query=named.query)[1]
        task.wrote = True
        result["resource"] = left or current
    if task.arguments["wait"]:
        _wait_until_deleted(task, named, result)
    return result


def _wait_until_deleted(task: Task, named: Named, result: Document) -> None:
    found: Document | None = None

    def done() -> bool:
        nonlocal found
        found = named.get()
        # One of the same name that somebody made since is not the one that was to go.
        return found is None or found["uid"] != result["resource"]["uid"]

    try:
        task.until(done, f"{named} was not deleted")
    except WaitTimeout as error:
        raise Refused(f"{error}{_state_text(found)}", resource=found or result["resource"]) from None


def _state_text(found: t.Optional[Document]) -> str:
    """Return the state of a resource, for the end of a message."""
    if not found:
        return ""
    reason = f": {found['status_reason']}" if found["status_reason"] else ""
    return f", it is {found['status']}{reason}"


def state(task: Task) -> Document:
    """``state: present`` or ``state: absent``."""
    return absent(task) if task.arguments["state"] == "absent" else present(task)


def info(task: Task) -> Document:
    """Return all resources of the kind that match; a named one that does not exist gives an empty list.

    In check mode so does a parent that does not exist, with a warning: the play may create it before.
    """
    entry = task.entry
    if task.arguments["name"] and all(task.arguments[parent] for parent in entry["parents"]):
        found = Named(task).get()
        return {"changed": False, "resources": [] if found is None else [found]}
    names, every = {}, False
    for parent in entry["parents"]:
        every = every or not task.arguments[parent]
        names[parent] = "-" if every else quote(name_of(parent, task.arguments[parent]), safe="")
    query = [("label", label) for label in task.arguments["labels"] or ()]
    query += [("field", f"{path}={_text(value)}") for path, value in (task.arguments["fields"] or {}).items()]
    if entry["per_project"]:
        query.append(("project", task.arguments["project"] or "*"))
    path = entry["path"].rpartition("/")[0].format(**names)
    try:
        resources = listed(task, path, query)
    except ApiError as error:
        if not task.check or error.code != "not_found":
            raise
        task.warn(f"{error}: without check mode the task fails, unless the play creates it before")
        resources = []
    if task.arguments["name"]:
        resources = [one for one in resources if one["name"] == task.arguments["name"]]
    return {"changed": False, "resources": resources}


def missing_in_check(task: Task, named: Named) -> Document | None:
    """Return the result of an action whose resource the play is to create: only in check mode, with a warning."""
    if not task.check or named.get() is not None:
        return None
    missing = f"{named} does not exist"
    task.warn(f"{missing}: without check mode the task fails, unless the play creates it before")
    return {"changed": True, "resource": {}, "unresolved": [{"path": "name", "message": missing}]}


def listed(task: Task, path: str, query: t.Sequence[tuple[str, str]]) -> list[Document]:
    """Return all items of a list, page by page."""
    found: list[Document] = []
    after: list[tuple[str, str]] = []
    while True:
        page = task.client.request("GET", path, query=[*query, ("limit", _PAGE), *after])[1]
        found += page["items"]
        if page["next_after"] is None:
            return found
        after = [("after", page["next_after"])]


def _text(value: t.Any) -> str:
    """Return a value of a filter, as JSON writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
