"""Documents: reading them from YAML or JSON and checking them against their kind.

A document is ``{kind, name, <parents' names>, project, labels, spec}``. Every problem is reported
with the path of its field; the first bad document does not hide those after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from controller.errors import InvalidInput, NotFound, Problem
from controller.model import registry
from controller.model import text as text_reader
from controller.model.envelope import SERVER_SET
from controller.model.registry import AnyResource


def read(text: str) -> list[Mapping[str, Any]]:
    """Split YAML (``---`` between documents) or JSON (an object or a list) into raw documents.

    Raises InvalidInput with the line for text that is neither.
    """
    if text.lstrip()[:1] not in ("[", "{"):
        return flatten(text_reader.load_yaml(text))
    try:
        return flatten([text_reader.load_json(text)])
    except InvalidInput as json_error:
        # Flow style YAML looks like JSON; when it is neither, JSON's complaint is the clearer one.
        try:
            return flatten(text_reader.load_yaml(text))
        except InvalidInput:
            raise json_error from None


def parse(raw: Mapping[str, Any], path: str = "") -> AnyResource:
    """Turn a raw document into a resource of its kind; server-set fields are ignored.

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
    try:
        return kind.model.model_validate(asked)
    except ValidationError as error:
        raise InvalidInput(problems(error, path)) from None


def parse_all(raws: Sequence[Mapping[str, Any]]) -> list[AnyResource]:
    """Parse many; raises one InvalidInput with the problems of all, each under ``[index]``."""
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
    """pydantic's errors as problems with dotted paths."""
    return [Problem(_path(path, item["loc"]), _message(item)) for item in error.errors(include_url=False)]


def render(resource: AnyResource, *, server_set: bool = True) -> dict[str, Any]:
    """The JSON form of a resource; without ``server_set`` only what users write."""
    exclude = None if server_set else set(SERVER_SET)
    return resource.model_dump(mode="json", exclude=exclude)


def flatten(items: Iterable[Any]) -> list[Mapping[str, Any]]:
    """Raw documents of some values: an object is one, a list holds many, nothing is none.

    Raises InvalidInput for a document that is no mapping.
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


def _message(item: Mapping[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown field"
    if item["type"] == "missing":
        return "is required"
    message = str(item["msg"])
    return message.removeprefix("Value error, ")


def _path(prefix: str, location: tuple[Any, ...]) -> str:
    path = prefix
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, str(part))
    return path


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
