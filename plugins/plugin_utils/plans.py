# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of the server as results of tasks: what would change, as ``--diff`` shows it, and what stands in the way."""

from __future__ import annotations

import typing as t

from .tasks import Refused

Change = t.Mapping[str, t.Any]


def planned_change(change: Change, title: str) -> dict[str, t.Any]:
    """The result of one planned change; raises Refused for what a write would be refused for."""
    refuse([change], [title])
    result: dict[str, t.Any] = {"changed": change["action"] != "unchanged", "action": change["action"]}
    result["diff"] = diff(change, title)
    if change["unresolved"]:
        result["unresolved"] = change["unresolved"]
    if change["forecast"] is not None:
        result["forecast"] = change["forecast"]
    return result


def refuse(changes: t.Sequence[Change], titles: t.Sequence[str]) -> None:
    """Raise one Refused with every refusal of a plan. Unresolved names are none: the play may still make them."""
    problems = [
        {"path": refusal["path"], "message": refusal["message"], "document": title}
        for change, title in zip(changes, titles)
        for refusal in change["refusals"]
    ]
    if problems:
        raise Refused("; ".join(line(one) for one in problems), problems=problems)


def line(problem: t.Mapping[str, str]) -> str:
    """Document, field and message."""
    return ": ".join(part for part in (problem.get("document"), problem.get("path"), problem["message"]) if part)


def diff(change: Change, title: str) -> dict[str, t.Any]:
    """The change as ``--diff`` shows it: only the fields that differ, by their paths."""
    fields = change["diff"]
    before = {one["path"]: one["before"] for one in fields if one["before"] is not None}
    after = {one["path"]: one["after"] for one in fields if one["after"] is not None}
    if change["action"] == "create":
        before, after = {}, {"present": True, **after}
    elif change["action"] == "delete":
        before, after = {"present": True, **before}, {}
    return {"before": before, "after": after, "before_header": title, "after_header": f"{title} ({change['action']})"}
