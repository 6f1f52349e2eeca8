"""Filters of lists: by label and by field.

Label filters are written ``key=value``, ``key!=value``, ``key in (a,b)``, ``key notin (a,b)``,
``key`` and ``!key``, separated by commas. ``!=`` and ``notin`` also match resources without the label. Field filters
are a dotted path and the text of the value; an empty text matches a field that is not set.

A clause is a choice of such filters: it holds when all filters of one of its alternatives hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, false, func, not_, or_

from controller.errors import InvalidInput, Problem
from controller.model import field_paths, registry
from controller.model.registry import Kind
from controller.store.database import Transaction
from controller.store.dialects import json_is_bool, json_text
from controller.store.tables import resource

_KEY = r"[A-Za-z0-9](?:[A-Za-z0-9_./-]{0,315}[A-Za-z0-9])?"
_VALUE = r"[A-Za-z0-9_.-]*"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^()]*)\)")
_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_BARE = re.compile(rf"(!?)\s*({_KEY})")
_SEPARATOR = re.compile(r"[,()]")
_STEP = re.compile(r"[A-Za-z0-9_-]+")
_COLUMNS = {name: resource.c[name] for name in ("project", "status", "state", "uid", "kind")}


class LabelOperator(StrEnum):
    """How a label is compared."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    MISSING = "missing"


@dataclass(frozen=True)
class LabelFilter:
    """One condition on one label; ``values`` is empty for EXISTS and MISSING."""

    key: str
    operator: LabelOperator
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class FieldFilter:
    """One condition on one field: its path, and the text of its value."""

    path: str
    value: str
    is_negated: bool = False


Filter = LabelFilter | FieldFilter
Clause = tuple[tuple[Filter, ...], ...]
"""Alternatives, of each of which all filters must hold."""


def parse_labels(text: str) -> list[LabelFilter]:
    """Parse label filters that are separated by commas; raises InvalidInput (field ``labels``)."""
    return [_parse_label(part.strip()) for part in _parts(text) if part.strip()]


def _parts(text: str) -> Iterator[str]:
    """Split at the commas outside of parentheses; linear in the length of the text."""
    begin = 0
    is_inside = False
    for match in _SEPARATOR.finditer(text):
        if match[0] != ",":
            is_inside = match[0] == "("
        elif not is_inside:
            yield text[begin : match.start()]
            begin = match.end()
    yield text[begin:]


def _parse_label(part: str) -> LabelFilter:
    if match := _SET.fullmatch(part):
        values = tuple(value.strip() for value in match[3].split(","))
        if all(re.fullmatch(_VALUE, value) for value in values):
            return LabelFilter(match[1], LabelOperator(match[2]), values)
    elif match := _EQUAL.fullmatch(part):
        operator = LabelOperator.NOT_IN if match[2] == "!=" else LabelOperator.IN
        return LabelFilter(match[1], operator, (match[3],))
    elif match := _BARE.fullmatch(part):
        return LabelFilter(match[2], LabelOperator.MISSING if match[1] else LabelOperator.EXISTS)
    raise InvalidInput([Problem("labels", f"not a label filter: {part!r}; write key=value, key, !key or key in (a,b)")])


def conditions(
    tx: Transaction,
    kind: str,
    labels: Iterable[LabelFilter],
    fields: Mapping[str, str],
) -> list[ColumnElement[bool]]:
    """Return the filters as SQL; raises InvalidInput for a field that the kind does not have."""
    return [
        *(_label_condition(tx, wanted) for wanted in labels),
        *(_field_condition(tx, kind, path, value) for path, value in fields.items()),
    ]


def clause_condition(tx: Transaction, kind: str, clause: Clause) -> ColumnElement[bool]:
    """Return a clause as SQL; raises InvalidInput for a field that the kind does not have."""
    return or_(*(and_(*(_condition(tx, kind, wanted) for wanted in alternative)) for alternative in clause))


def _condition(tx: Transaction, kind: str, wanted: Filter) -> ColumnElement[bool]:
    if isinstance(wanted, LabelFilter):
        return _label_condition(tx, wanted)
    found = _field_condition(tx, kind, wanted.path, wanted.value)
    # A comparison with what is not there is unknown, and so would be its opposite.
    return not_(func.coalesce(found, false())) if wanted.is_negated else found


def of_projects(tx: Transaction, kind: Kind, projects: Sequence[str]) -> list[ColumnElement[bool]]:
    """Return the conditions that leave out what belongs to other projects, and records about it, as SQL.

    The same rule as ``access.is_visible``: a page and its cursor are made of what its reader may see.
    """
    if kind.per_project:
        return [resource.c.project.in_(projects)]
    if kind.contains_by_project:
        return [resource.c.path.in_(projects)]
    if kind.access.subject_fields is None:
        return []
    subject_kind, subject = (json_text(tx, resource.c.document, ("spec", name)) for name in kind.access.subject_fields)
    owned = [each.name for each in registry.kinds() if each.per_project]
    holders = [each.name for each in registry.kinds() if each.contains_by_project]
    shared = [each.name for each in registry.kinds() if not each.per_project and not each.contains_by_project]
    return [
        or_(
            subject_kind.in_(shared),
            and_(subject_kind.in_(holders), subject.in_(projects)),
            and_(subject_kind.in_(owned), or_(*(subject.startswith(f"{one}/", autoescape=True) for one in projects))),
        )
    ]


def _label_condition(tx: Transaction, wanted: LabelFilter) -> ColumnElement[bool]:
    value = json_text(tx, resource.c.document, ("labels", wanted.key))
    match wanted.operator:
        case LabelOperator.IN:
            return value.in_(wanted.values)
        case LabelOperator.NOT_IN:
            return or_(value.is_(None), value.not_in(wanted.values))
        case LabelOperator.EXISTS:
            return value.is_not(None)
        case LabelOperator.MISSING:
            return value.is_(None)


def _field_condition(tx: Transaction, kind: str, path: str, value: str) -> ColumnElement[bool]:
    steps = path.split(".")
    field_paths.check_path(registry.get(kind), path)
    if not all(map(_STEP.fullmatch, steps)):
        raise InvalidInput([Problem(f"fields.{path}", "write names of letters, digits, - and _ with dots between")])
    if path in _COLUMNS:
        return _COLUMNS[path] == value
    if value in ("true", "false"):
        return json_is_bool(tx, resource.c.document, steps, value)
    return func.coalesce(json_text(tx, resource.c.document, steps), "") == value
