# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many documents in one task: one request, one transaction, all or none.

With ``purge``, a second transaction deletes the resources that have the labels and are no longer among the documents.
When that would be a large share of them (``purge_limit``), nothing is written at all: the list may be cut.
Every problem names its document by file, position, kind and name.
"""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

from ansible.module_utils.common.yaml import SafeLoader, yaml_load_all

from ..module_utils.client import ApiError
from ..module_utils.module_specs import entries
from .plan_result import diff, line, refuse, warn_of_unresolved
from .task import Refused, Task
from .wait import wait_for_all

Document = dict[str, t.Any]
Key = tuple[str, ...]
_SUFFIXES = (".yaml", ".yml", ".json")
_KEPT = ("Project", "Token", "JoinToken")
"""Never purged: who may do what is no part of a site's description."""


def apply(task: Task) -> Document:
    """Write or delete all documents, or plan it."""
    placed = list(_documents(task))
    documents = [document for _place, document in placed]
    titles = [f"{place} {document.get('kind')} {document.get('name')}" for place, document in placed]
    labels = task.arguments["labels"] or []
    if task.arguments["purge"]:
        _check_purge(task, labels)
    verb = "delete" if task.arguments["state"] == "absent" else "apply"
    purged = _to_purge(task, documents, labels) if task.arguments["purge"] else []
    if task.check or task.diff:
        changes = _send(task, verb, documents, titles, plan=True)["changes"] if documents else []
        whose = titles if verb == "apply" else [f"{one['kind']} {one['key']}" for one in changes]
        refuse(changes, whose)
        going = _send(task, "delete", purged, [], plan=True)["changes"] if purged else []
        result = _result([*changes, *going])
        result["diff"] = [
            diff(change, f"{change['kind']} {change['key']}")
            for change in (*changes, *going)
            if change["action"] != "unchanged"
        ]
        open_names = [
            {**one, "document": title} for change, title in zip(changes, whose) for one in change["unresolved"]
        ]
        if open_names:
            result["unresolved"] = open_names
            warn_of_unresolved(task, open_names)
        forecasts = {change["key"]: change["forecast"] for change in changes if change["forecast"] is not None}
        if forecasts:
            result["forecast"] = forecasts
        if task.check:
            return result
    else:
        result = {}
    done = _send(task, verb, documents, titles)["results"] if documents else []
    task.wrote = bool(_result(done)["changed"])
    try:
        left = _send(task, "delete", purged, [])["results"] if purged else []
    except ApiError as error:
        raise Refused(f"the documents are applied, but what is no longer among them stays: {error}") from error
    told = _result([*done, *left])
    task.wrote = bool(told["changed"])
    if task.arguments["wait"]:
        wait_for_all(task, done, deleted=verb == "delete")
        wait_for_all(task, left, deleted=True)
    return {**result, **told}


def _check_share(task: Task, going: int, matching: int) -> None:
    """Refuse a purge of a large share of what has the labels: a cut or empty list of documents asks for the same."""
    limit = task.arguments["purge_limit"]
    if not 0 <= limit <= 100:
        raise Refused("purge_limit: must be a percentage, from 0 to 100")
    if going * 100 > limit * matching:
        raise Refused(
            f"purge: would delete {going} of the {matching} resources that have the labels, which is more than"
            f" purge_limit ({limit} %): set purge_limit to {-(-going * 100 // matching)} if this is meant"
        )


def _check_purge(task: Task, labels: t.Sequence[str]) -> None:
    """Refuse selectors without a required label: they would match nearly everything, and an empty one all."""
    if not labels or task.arguments["state"] == "absent":
        raise Refused("purge: needs labels, which say what is the task's to remove, and state present")
    conditions = [part.strip() for label in labels for part in re.split(r",(?![^(]*\))", label)]
    if "" in conditions:
        raise Refused("labels: one of them is empty, which would have everything purged")
    if all(part.startswith("!") or "!=" in part or re.search(r"\snotin\s", part) for part in conditions):
        raise Refused(
            "labels: purge needs one that says what a resource has, as key=value, and not only what it has not"
        )


def _result(changes: t.Sequence[t.Mapping[str, t.Any]]) -> Document:
    counts: dict[str, int] = {}
    for change in changes:
        counts[change["action"]] = counts.get(change["action"], 0) + 1
    results = [{name: one[name] for name in ("kind", "key", "action", "secret") if one.get(name)} for one in changes]
    return {"changed": bool(set(counts) - {"unchanged"}), "counts": counts, "results": results}


def _send(
    task: Task, verb: str, documents: t.Sequence[Document], titles: t.Sequence[str], *, plan: bool = False
) -> t.Any:
    query = {"dry_run": "true"} if plan else None
    try:
        return task.client.request("POST", f"/v1/{verb}", query=query, body=documents)[1]
    except ApiError as error:
        if not error.problems:
            raise
        problems = [_placed(problem, titles) for problem in error.problems]
        raise Refused(
            "; ".join(line(one) for one in problems), problems=problems, code=error.code, status=error.status
        ) from error


def _placed(problem: t.Mapping[str, str], titles: t.Sequence[str]) -> dict[str, str]:
    """The problem with its document's place for the number of it in the request."""
    number, bracket, rest = problem.get("path", "").partition("]")
    if bracket and number[:1] == "[" and number[1:].isdigit() and int(number[1:]) < len(titles):
        message = re.sub(r"(?<=, in )\[(\d+)\]", lambda found: titles[int(found[1])], problem["message"])
        return {"document": titles[int(number[1:])], "path": rest.lstrip("."), "message": message}
    return {"document": "", "path": problem.get("path", ""), "message": problem["message"]}


def _documents(task: Task) -> t.Iterator[tuple[str, Document]]:
    if task.arguments["documents"] is None and not task.arguments["src"]:
        raise Refused("apply: needs documents, or src")
    for index, document in enumerate(task.arguments["documents"] or ()):
        yield f"documents[{index}]", document
    for name in task.arguments["src"] or ():
        top = Path(task.find(name))
        files = sorted(one for one in top.rglob("*") if one.suffix in _SUFFIXES) if top.is_dir() else [top]
        count = 0
        for file in files:
            place = str(Path(name) / file.relative_to(top)) if top.is_dir() else name
            for placed in _of_file(place, file):
                count += 1
                yield placed
        if not count:  # with purge it would stand for nothing at all
            raise Refused(f"src {name}: holds no documents")


def _of_file(place: str, file: Path) -> t.Iterator[tuple[str, Document]]:
    try:
        read = list(yaml_load_all(file.read_text(encoding="utf-8"), Loader=_Loader))
    except OSError as error:
        raise Refused(f"src {place}: {error.strerror}") from error
    except Exception as error:  # the parser is not always there to name its errors
        raise Refused(f"src {place}: {' '.join(str(error).split())}") from error
    members = [one for value in read for one in (value if isinstance(value, list) else [value]) if one is not None]
    for index, document in enumerate(members):
        if not isinstance(document, dict):
            raise Refused(f"src {place}[{index}]: is no document but a {type(document).__name__}")
        yield f"{place}[{index}]", document


class _Loader(SafeLoader):
    """Refuses a key that is given twice, where the parser would take the last one."""

    def construct_mapping(self, node: t.Any, deep: bool = False) -> t.Any:
        """The mapping of a node."""
        if len({key.value for key, _value in node.value if isinstance(key.value, str)}) != len(node.value):
            seen: set[str] = set()
            for key, _value in node.value:
                if isinstance(key.value, str) and key.tag != "tag:yaml.org,2002:merge":
                    if key.value in seen:
                        raise ValueError(f"line {key.start_mark.line + 1}: {key.value!r} is given twice")
                    seen.add(key.value)
        return super().construct_mapping(node, deep)


def _to_purge(task: Task, documents: t.Sequence[Document], labels: t.Sequence[str]) -> list[Document]:
    """Return the resources that have the labels and are not among the documents.

    Raises Refused where these are more than ``purge_limit`` allows.
    """
    kinds = {one["kind"]: one for one in entries() if one["run"] == "state" and one["kind"] not in _KEPT}
    wanted = {_key(kinds[kind], one) for one in documents if (kind := str(one.get("kind"))) in kinds}
    going: list[Document] = []
    matching = 0
    for entry in kinds.values():
        path = entry["path"].rpartition("/")[0].format(**dict.fromkeys(entry["parents"], "-"))
        after: str | None = None
        while True:
            query = [("label", label) for label in labels] + [("limit", "1000")]
            query += [("project", "*")] if entry["per_project"] else []
            query += [("after", after)] if after else []
            page = task.client.request("GET", path, query=query)[1]
            matching += len(page["items"])
            for item in page["items"]:
                if _key(entry, item) not in wanted:
                    names = ("kind", *entry["parents"], "name", *(("project",) if entry["per_project"] else ()))
                    going.append({name: item[name] for name in names})
            after = page["next_after"]
            if after is None:
                break
    _check_share(task, len(going), matching)
    return going


def _key(entry: t.Mapping[str, t.Any], document: Document) -> Key:
    project = str(document.get("project") or "default") if entry["per_project"] else ""
    return (entry["kind"], project, *(str(document.get(name)) for name in (*entry["parents"], "name")))
