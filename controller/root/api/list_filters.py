"""What a list is narrowed to: parents in the path, project, labels and fields in the query."""

from __future__ import annotations

from collections.abc import Iterable

from controller.errors import Forbidden, NotFound
from controller.model.access import Token
from controller.model.registry import Kind
from controller.root.api import access
from controller.root.api import query as q
from controller.root.api.operation import Call, bad
from controller.store import selectors
from controller.store.selectors import LabelFilter

EVERY = "-"
"""As a parent's name in the path of a list: all parents."""


def labels_of(call: Call) -> list[LabelFilter]:
    """Return the ``label`` parameters."""
    return [found for text in call.query.texts(q.LABEL) for found in selectors.parse_labels(text)]


def fields_of(call: Call) -> dict[str, str]:
    """Return the ``field`` parameters: dotted path to value."""
    found = dict(_field(text) for text in call.query.texts(q.FIELD))
    for path in found:
        check_filter(call.token, call.kind, path)
    return found


def check_filter(token: Token, kind: Kind, path: str) -> None:
    """Raise Forbidden for a filter by what the token may not read: the answers would reveal it bit by bit."""
    if access.hides(token, kind, path):
        raise Forbidden(f"token {token.name} may not filter {kind.name} by {path}, which it may not read")


def project_of(call: Call) -> str | None:
    """Return the project to list; None: all projects, or the kind has none."""
    if not call.kind.per_project:
        return None
    value = call.query.text(q.PROJECTS) or "default"
    if value == "*":
        return None
    if not q.is_name(value):
        raise bad("query.project", "must be a project's name or *")
    return value


def parents_of(call: Call) -> tuple[str, ...]:
    """Return the parents that the path names; below the first ``-`` all are ``-``: every parent."""
    values = [str(value) for value in call.request.path_params.values()]
    named: Iterable[str] = values[: values.index(EVERY)] if EVERY in values else values
    for value in named:
        if not q.is_name(value):
            raise NotFound(f"{value[:100]!r} is not a valid name")
    if any(value != EVERY for value in values[len(list(named)) :]):
        raise bad("path", "below `-` only `-` can follow")
    return tuple(named)


def _field(text: str) -> tuple[str, str]:
    path, separator, value = text.partition("=")
    if not separator or not path:
        raise bad("query.field", f"{text[:100]!r} must be path=value")
    return path, value
