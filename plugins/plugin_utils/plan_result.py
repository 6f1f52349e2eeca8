# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of the server as results of tasks: what would change, as ``--diff`` shows it, and what refuses it."""

from __future__ import annotations

import typing as t

from ..module_utils.client import ApiError, with_users
from .task import Refused, Task

Change = t.Mapping[str, t.Any]


def request_plan(task: Task, document: t.Mapping[str, t.Any]) -> Change:
    """Return the server's plan of one write; refusals do not name the document, since there is only one."""
    try:
        return task.client.request("POST", "/v1/apply", query={"dry_run": "true"}, body=[document])[1]["changes"][0]
    except ApiError as error:
        problems = [{**one, "path": one.get("path", "").removeprefix("[0]").lstrip(".")} for one in error.problems]
        raise ApiError(error.status, error.code, error.message, problems, **error.more) from error


def planned_change(change: Change, title: str) -> dict[str, t.Any]:
    """Return the result of one planned change; raises Refused where the write would be refused."""
    refuse([change], [title])
    result: dict[str, t.Any] = {"changed": change["action"] != "unchanged", "action": change["action"]}
    result["diff"] = diff(change, title)
    if change["unresolved"]:
        result["unresolved"] = change["unresolved"]
    if change["forecast"] is not None:
        result["forecast"] = change["forecast"]
    return result


def refuse(changes: t.Sequence[Change], titles: t.Sequence[str]) -> None:
    """Raise one Refused with every refusal of a plan. Unresolved names are no refusal: the play may create them."""
    problems = [
        {"path": refusal["path"], "message": with_users(refusal["message"], refusal), "document": title}
        for change, title in zip(changes, titles)
        for refusal in change["refusals"]
    ]
    if problems:
        raise Refused("; ".join(line(one) for one in problems), problems=problems)


def warn_of_unresolved(task: Task, unresolved: t.Sequence[t.Mapping[str, str]], title: str = "") -> None:
    """In check mode, warn of each name that does not exist yet: once, however many documents need it."""
    if not task.check:
        return
    users: dict[str, list[str]] = {}
    for one in unresolved:
        users.setdefault(one["message"], []).append(one.get("document") or title)
    for message, titles in users.items():
        more = f" and {len(titles) - 1} more" if len(titles) > 1 else ""
        task.warn(f"{message}, which {titles[0]}{more} needs: without check mode this is refused")


def line(problem: t.Mapping[str, str]) -> str:
    """Return document, field and message; a message that begins with the document is not prefixed with it."""
    title, message = problem.get("document"), problem["message"]
    if title and message.startswith(f"{title} "):
        title = ""
    return ": ".join(part for part in (title, problem.get("path"), message) if part)


def diff(change: Change, title: str) -> dict[str, t.Any]:
    """Return the change as ``--diff`` shows it: only the fields that differ, by their paths."""
    fields = change["diff"]
    before = {one["path"]: one["before"] for one in fields if one["before"] is not None}
    after = {one["path"]: one["after"] for one in fields if one["after"] is not None}
    if change["action"] == "create":
        before, after = {}, {"present": True, **after}
    elif change["action"] == "delete":
        before, after = {"present": True, **before}, {}
    return {"before": before, "after": after, "before_header": title, "after_header": f"{title} ({change['action']})"}
