"""Documents: reads them from YAML or JSON, and validates them against their kinds.

A document is ``{kind, name, <parents' names>, project, labels, spec}``. Every problem is reported with the path of its
field, for all documents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from controller.errors import InvalidInput, NotFound, Problem
from controller.model import plain_text, registry
from controller.model import text as text_reader
from controller.model.envelope import SERVER_SET
from controller.model.moments import STORED
from controller.model.registry import AnyResource

T = TypeVar("T", bound=BaseModel)

_DECIMAL = re.compile(r"(0|-?[1-9][0-9]{0,18})\Z")
_FRACTION = re.compile(r"-?(0|[1-9][0-9]{0,18})\.[0-9]{1,9}\Z")
_TRUTH = {"true": True, "True": True, "false": False, "False": False}
_QUOTING = frozenset(
    f"{kind}_{problem}"
    for kind in ("int", "float", "bool")
    for problem in ("type", "parsing", "from_float", "parsing_size")
) | {"enum", "literal_error", "greater_than", "greater_than_equal", "less_than", "less_than_equal"}
"""Problems whose message shows what was written: they are of fields that hold no secret."""


def read(text: str) -> list[Mapping[str, Any]]:
    """Split YAML (``---`` between documents) or JSON (an object or a list) into raw documents.

    Raises InvalidInput with the line for text that is neither.
    """
    if text.lstrip()[:1] not in ("[", "{"):
        return flatten(text_reader.load_yaml(text))
    try:
        return flatten([text_reader.load_json(text)])
    except InvalidInput as json_error:
        # YAML in flow style looks like JSON; for a text that is neither, the error of JSON is clearer. Text with the
        # syntax of JSON is JSON: YAML would turn its NaN into a text.
        if not isinstance(json_error.__cause__, json.JSONDecodeError):
            raise
        try:
            return flatten(text_reader.load_yaml(text))
        except InvalidInput:
            raise json_error from None


def parse(raw: Mapping[str, Any], path: str = "", *, stored: bool = False) -> AnyResource:
    """Return the resource of a raw document; server-set fields are ignored.

    ``stored``: the document was accepted before, perhaps by an older version (``moments.STORED``).

    Raises InvalidInput naming every bad field, under ``path`` if given.
    """
    kind_name = raw.get("kind")
    if not isinstance(kind_name, str):
        raise InvalidInput([Problem(_join(path, "kind"), "is required")])
    try:
        kind = registry.get(kind_name)
    except NotFound as error:
        raise InvalidInput([Problem(_join(path, "kind"), error.message)]) from None
    asked = {key: value for key, value in raw.items() if key not in SERVER_SET}
    context = STORED if stored else None
    unsafe = [] if stored else list(plain_text.problems(asked, path))
    try:
        resource = _validated(kind.model, asked, context)
    except ValidationError as error:
        found = problems(error, path)
        known = {each.path for each in found}
        raise InvalidInput([*found, *(each for each in unsafe if each.path not in known)]) from None
    if unsafe:
        raise InvalidInput(unsafe)
    return resource


def _validated(model: type[T], asked: Mapping[str, Any], context: Mapping[str, bool] | None) -> T:
    try:
        return model.model_validate(asked, context=context)
    except ValidationError as error:
        read = _with_numbers(asked, error)
        if read is None:
            raise
    return model.model_validate(read, context=context)


def parse_all(raws: Sequence[Mapping[str, Any]]) -> list[AnyResource]:
    """Return the resources of many; raises one InvalidInput with the problems of all, each under ``[index]``."""
    parsed: list[AnyResource] = []
    bad: list[Problem] = []
    for index, raw in enumerate(raws):
        try:
            parsed.append(parse(raw, f"[{index}]"))
        except InvalidInput as error:
            bad.extend(error.problems)
    if bad:
        raise InvalidInput(bad)
    return parsed


def problems(error: ValidationError, path: str = "") -> list[Problem]:
    """Return the errors of pydantic as problems with dotted paths."""
    return [Problem(_path(path, item["loc"]), _message(item)) for item in error.errors(include_url=False)]


def render(resource: AnyResource, *, server_set: bool = True) -> dict[str, Any]:
    """Return the JSON form of a resource; without ``server_set`` only the fields that users write."""
    exclude = None if server_set else set(SERVER_SET)
    return resource.model_dump(mode="json", exclude=exclude)


def flatten(items: Iterable[Any]) -> list[Mapping[str, Any]]:
    """Return the raw documents in some values: an object is one, a list has many, null has none.

    Raises InvalidInput for a document that is not a mapping.
    """
    documents: list[Mapping[str, Any]] = []
    for item in items:
        members = item if isinstance(item, list) else [item]
        for member in members:
            if member is None:
                continue
            if not isinstance(member, dict):
                message = f"document {len(documents)} is not a mapping but a {type(member).__name__}"
                raise InvalidInput([Problem("", message)])
            documents.append(member)
    return documents


def _with_numbers(raw: Mapping[str, Any], error: ValidationError) -> dict[str, Any] | None:
    """The document with numbers in place of their texts, as templates write them; None if nothing was changed.

    Ansible's templates make texts of everything: ``"{{ count }}"`` arrives as ``"3"``. Only the one text that a
    number or truth value is printed as is read, so that no other notation gets a meaning.
    """
    wanted: _Changes = {}
    for item in error.errors(include_url=False):
        value = _printed(item)
        if value is not None and item["loc"]:
            _add(wanted, item["loc"], value)
    return dict(_changed(dict(raw), wanted)) if wanted else None


_Changes: TypeAlias = dict[int | str, Any]
"""New values by step of their paths; below a step that is not the last one, the changes there."""


def _add(changes: _Changes, path: Sequence[int | str], value: float | bool) -> None:
    for step in path[:-1]:
        below = changes.setdefault(step, {})
        if not isinstance(below, dict):
            return
        changes = below
    changes[path[-1]] = value


def _changed(values: Any, changes: _Changes) -> Any:
    """Return the values with the changes; each container on the way to them is copied once."""
    if not isinstance(values, list | dict):
        raise TypeError("no container")
    copied = list(values) if isinstance(values, list) else dict(values)
    for step, change in changes.items():
        with suppress(KeyError, IndexError, TypeError):  # a step of pydantic's own, that the document does not have
            copied[step] = _changed(copied[step], change) if isinstance(change, dict) else change  # type: ignore[index]
    return copied


def _printed(item: Mapping[str, Any]) -> float | bool | None:
    """The number or truth value that a refused text is the text of; None for any other text."""
    text = item.get("input")
    if not isinstance(text, str):
        return None
    if item["type"] in ("int_type", "float_type") and _DECIMAL.match(text):
        return int(text)
    if item["type"] == "float_type" and _FRACTION.match(text):
        return float(text)
    return _TRUTH.get(text) if item["type"] == "bool_type" else None


def _message(item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown field"
    if item["type"] == "missing":
        return "is required"
    message = str(item["msg"]).removeprefix("Value error, ")
    given = item.get("input")
    if item["type"] in _QUOTING and isinstance(given, str | int | float):
        return f"{message}, not {json.dumps(given)[:60]}"
    return message


def _path(prefix: str, location: tuple[Any, ...]) -> str:
    path = prefix
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, str(part))
    return path


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
