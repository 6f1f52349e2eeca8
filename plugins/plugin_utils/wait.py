# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for many resources: until those of one request are Active, or deleted.

Only resources that were not Active in the answer to the write are polled, so that ten thousand documents of facts cost
nothing. The first resource in Error ends the task.
"""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from ..module_utils.client import ApiError
from ..module_utils.module_specs import entries
from .task import Refused, Task, WaitTimeout

Document = dict[str, t.Any]
_DELETED = "deleted"


def wait_for_all(task: Task, results: t.Sequence[t.Mapping[str, t.Any]], *, deleted: bool) -> None:
    """Wait for all resources; raises Refused for one in Error, and for those that are late."""
    entry_of = {entry["kind"]: entry for entry in entries() if entry["run"] == "info"}
    left = {f"{one['kind']} {one['key']}": one for one in results if _is_open(one, deleted=deleted)}
    seen: dict[str, str] = {}

    def done() -> bool:
        for title, one in list(left.items()):
            found = _get(task, entry_of[one["kind"]], one["key"])
            if deleted and found and found["uid"] != one["uid"]:
                found = None  # one of the same name, which somebody made since
            status, reason = (found["status"], found["status_reason"]) if found else (_DELETED, "")
            if (status == _DELETED) if deleted else (status == "Active"):
                del left[title]
            elif status in ("Error", _DELETED):
                raise Refused(f"{title}: {reason or status}", resource=found or {})
            else:
                seen[title] = f"it is {status}{f': {reason}' if reason else ''}"
        return not left

    try:
        task.until(done, f"{len(left)} {'not deleted' if deleted else 'did not become Active'}")
    except WaitTimeout as error:
        late = "; ".join(f"{title}: {seen.get(title, 'not seen')}" for title in list(left)[:5])
        more = f"; and {len(left) - 5} more" if len(left) > 5 else ""
        raise Refused(f"{error}: {late}{more}") from None


def _is_open(one: t.Mapping[str, t.Any], *, deleted: bool) -> bool:
    status = str(one.get("status"))
    return status.startswith("Deleting") if deleted else status != "Active"


def _get(task: Task, entry: t.Mapping[str, t.Any], key: str) -> Document | None:
    names = key.split("/")
    query = {"project": names.pop(0)} if entry["per_project"] else {}
    parts = dict(zip((*entry["parents"], "name"), (quote(name, safe="") for name in names)))
    try:
        return task.client.request("GET", entry["path"].format(**parts), query=query)[1]
    except ApiError as error:
        if error.status == 404 and error.code == "not_found":
            return None
        raise
