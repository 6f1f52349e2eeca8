"""Formatting: tables, YAML, JSON and names; ``output_templates`` has the forms that users write.

Commands return a :class:`View`: columns and rows, and their documents. This module renders it as ``-o`` requires.
Tables have no frames and fit pipes: one line per row, columns separated by spaces. What could act on a terminal, or
show one text as another, is escaped in every form (``printable``); JSON and YAML keep their values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

from controller.cli import output_templates
from controller.cli.exit_codes import UsageProblem
from controller.cli.output_templates import Template
from controller.cli.tables import table
from controller.printable import printable, printable_json


class Format(StrEnum):
    """Values of ``-o``."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Form = Format | Template


def parse_form(text: str) -> Form:
    """Return the form that a value of ``-o`` names. Raises UsageProblem."""
    if text.startswith((output_templates.JSONPATH, output_templates.COLUMNS)):
        return output_templates.parse(text)
    try:
        return Format(text)
    except ValueError:
        known = ", ".join([*Format, f"{output_templates.JSONPATH}...", f"{output_templates.COLUMNS}..."])
        raise UsageProblem(f"-o {text}: is not known; known are {known}") from None


def complete_form(incomplete: str) -> list[str]:
    """Return the values of ``-o`` that start with ``incomplete``."""
    words = [*Format, output_templates.JSONPATH, output_templates.COLUMNS]
    return [str(word) for word in words if word.startswith(incomplete)]


@dataclass(frozen=True)
class View:
    """The result of a command."""

    columns: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    documents: Sequence[Mapping[str, Any]] = ()
    """For json and yaml; and for ``name``, which prints ``kind/path`` of each."""
    wide: frozenset[int] = frozenset()
    """Columns (by index) that only ``-o wide`` shows."""
    single: bool = False
    """True: json and yaml show the one document itself, not a list."""
    lines: Sequence[str] = ()
    """Shown under the table (or alone) in table and wide."""
    exit_code: int = 0
    """Exit code of the command after the view is shown (``exit_codes``)."""
    named: Sequence[Mapping[str, Any]] | None = None
    """What ``name`` prints instead of the documents."""
    sections: Sequence[View] = ()
    """Tables that are shown one below the other instead of this view's own, with a blank line between."""


def joined(views: Sequence[View]) -> View:
    """Return several views as one: their tables one below the other, their documents as one list."""
    if len(views) == 1:
        return views[0]
    return View(documents=[document for view in views for document in view.documents], sections=tuple(views))


def render(view: View, form: Form, out: TextIO) -> None:
    """Write the view."""
    if not isinstance(form, Format):
        form.write(view.documents, out, single=view.single)
        return
    match form:
        case Format.JSON:
            out.write(printable_json(json.dumps(_payload(view), indent=2, ensure_ascii=False)) + "\n")
        case Format.YAML:
            out.write(to_yaml(_payload(view), many=not view.single))
        case Format.NAME:
            for document in view.documents if view.named is None else view.named:
                out.write(f"{printable(name_of(document))}\n")
        case _ if view.sections:
            for index, section in enumerate(view.sections):
                out.write("\n" if index else "")
                render(section, form, out)
        case _:
            kept = [index for index in range(len(view.columns)) if form is Format.WIDE or index not in view.wide]
            if kept and view.rows:
                columns, *rows = ([line[index] for index in kept] for line in (view.columns, *view.rows))
                out.writelines(f"{line}\n" for line in table(columns, rows))
            out.writelines(f"{printable(line)}\n" for line in view.lines)


def to_yaml(payload: Any, *, many: bool) -> str:
    """Return YAML. Several documents are separated by ``---``, so that they can be applied again."""
    import yaml

    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    documents = payload if many else [payload]

    def dumped(item: Any, *, unicode: bool) -> str:
        text: str = yaml.dump(item, Dumper=dumper, sort_keys=False, allow_unicode=unicode, default_flow_style=False)
        return text

    parts = []
    for item in documents:
        part = dumped(item, unicode=True)
        is_shown = all(line == printable(line) for line in part.split("\n"))
        parts.append(part if is_shown else dumped(item, unicode=False))  # the same values, all letters escaped
    return "---\n".join(parts)


def name_of(document: Mapping[str, Any]) -> str:
    """Return ``noun/parent/name`` of a document, or of an answer with ``kind`` and ``key``, as commands accept it."""
    from controller.client import kinds

    if "kind" not in document:
        return str(document["name"])  # not a resource of the service
    kind = kinds.get(str(document["kind"]))
    if "key" in document:
        names = str(document["key"]).split("/")[kind.per_project :]  # the project is no part of the argument
    else:
        names = [str(document[parent]) for parent in kind.parents] + [str(document["name"])]
    return "/".join([kind.noun, *names])


def _payload(view: View) -> Any:
    if view.single:
        return view.documents[0] if view.documents else None
    return list(view.documents)
