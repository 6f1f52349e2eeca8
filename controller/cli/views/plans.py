"""Results and plans of writes, as rows and lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from controller.cli.output import View
from controller.cli.tables import text
from controller.cli.views import forecasts
from controller.client.kinds import ResourceName

Item = Mapping[str, Any]

_SIGNS = {"create": "+", "update": "~", "delete": "-", "unchanged": " "}


def results(items: Sequence[Item]) -> View:
    """Return one row per written document; the secret of a new token is shown only here."""
    rows = [(text(item["kind"]), text(item["key"]), _DONE[item["action"]], text(item["status"])) for item in items]
    lines = [f"secret of {item['kind']} {item['key']}: {item['secret']}" for item in items if "secret" in item]
    return View(("KIND", "NAME", "ACTION", "STATUS"), rows, items, lines=(*lines, _counts(items)))


def deleted(key: ResourceName, remaining: Item | None) -> View:
    """Return the result of one deletion: done, or in progress."""
    status = "deleted" if remaining is None else text(remaining.get("status"))
    documents = [] if remaining is None else [remaining]
    return View(documents=documents, single=True, lines=(f"{key}: {status}",))


def plan(answer: Item) -> View:
    """Return what a write would do: one row per document, then what it would refuse."""
    steps: Sequence[Item] = answer["changes"]
    rows = [(text(step["kind"]), text(step["key"]), text(step["action"]), _outcome(step)) for step in steps]
    lines = [line for step in steps for line in _refusals(step)]
    return View(
        ("KIND", "NAME", "ACTION", "PLAN"),
        rows,
        [answer],
        single=True,
        lines=(*lines, _counts(steps, _PLANNED)),
        named=steps,
    )


def plan_with_forecasts(answer: Item) -> View:
    """Return the same with the forecast of each service in short form."""
    view = plan(answer)
    lines = [
        line
        for step in answer["changes"]
        if step["forecast"]
        for line in (f"{step['kind']} {step['key']}:", *_forecast(step))
    ]
    return replace(view, lines=(*lines, *view.lines))


def moves(answer: Item, lines: Sequence[str] = ()) -> View:
    """Return moves with their reasons, then what cannot be moved and why."""
    rows = [tuple(text(move[name]) for name in ("resource", "from", "to", "why")) for move in answer["moves"]]
    rows += [
        (text(each["resource"]), text(each["from"]), "-", f"blocked: {each['reason']}") for each in answer["blocked"]
    ]
    said = [answer["message"]] if answer["message"] else []
    columns = ("RESOURCE", "FROM", "TO", "WHY") if rows else ()
    named = [_resource(each["resource"]) for each in (*answer["moves"], *answer["blocked"])]
    return View(columns, rows, [answer], single=True, lines=(*said, *lines), named=named)


def _resource(name: str) -> dict[str, str]:
    """Return kind and key of a name: ``default/kanto/web-0`` is a Compute; other names have their kind in front."""
    kind, _, key = name.rpartition(" ")
    return {"kind": kind or "Compute", "key": key}


def differences(answer: Item) -> View:
    """Return the differences, field by field; no lines when there are none."""
    lines: list[str] = []
    named: list[Item] = []
    for step in answer["changes"]:
        found = [*_fields(step), *_refusals(step)]
        if step["action"] != "unchanged" or found:
            found += _forecast(step)
            lines += [f"{_SIGNS.get(step['action'], '?')} {step['kind']} {step['key']}", *found]
            named.append(step)
    return View(documents=[answer], single=True, lines=lines, named=named)


def differs(answer: Item) -> bool:
    """Return whether a real write would change something or be refused."""
    return any(step["action"] != "unchanged" or step["refusals"] or step["unresolved"] for step in answer["changes"])


def _fields(step: Item) -> list[str]:
    lines = []
    for change in step["diff"]:
        before, after = (_value(change[side]) for side in ("before", "after"))
        effect = "" if step["action"] == "create" or change["change"] == "live" else f"  ({change['change']})"
        value = after if step["action"] == "create" else f"{before} -> {after}"
        lines.append(f"    {change['path']}: {value}{effect}")
    return lines


def _refusals(step: Item) -> list[str]:
    lines = []
    for refusal in step["refusals"]:
        where = f"{refusal['path']}: " if refusal["path"] else ""
        users = f" (used by {', '.join(refusal['users'])})" if refusal.get("users") else ""
        lines.append(f"    refused: {where}{refusal['message']}{users}")
    lines += [f"    unresolved: {problem['path']}: {problem['message']}" for problem in step["unresolved"]]
    return lines


def _forecast(step: Item) -> list[str]:
    forecast = step.get("forecast")
    return [f"    {line}" for line in forecasts.short(forecast)] if forecast else []


def _outcome(step: Item) -> str:
    if step["refusals"]:
        return "refused"
    return "unresolved" if step["unresolved"] else "ok"


_DONE = {"create": "created", "update": "updated", "delete": "deleted", "unchanged": "unchanged"}
_PLANNED = {"create": "to create", "update": "to update", "delete": "to delete", "unchanged": "unchanged"}


def _counts(items: Sequence[Item], words_of: Mapping[str, str] = _DONE) -> str:
    words = [str(item["action"]) for item in items]
    parts = [f"{words.count(word)} {done}" for word, done in words_of.items() if word in words]
    return ", ".join(parts) or "nothing to do"


def _value(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
