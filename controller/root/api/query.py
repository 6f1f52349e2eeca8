"""Query parameters and names in paths: declared as data, checked the same way everywhere.

The OpenAPI document prints these declarations. A parameter that an operation does not know is refused:
``?dryrun=true`` must not write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.errors import InvalidInput, Problem
from controller.model.names import NAME_PATTERN, QUALIFIED_NAME_PATTERN

_NAME = re.compile(NAME_PATTERN.removesuffix("$") + r"\Z")
_QUALIFIED_NAME = re.compile(QUALIFIED_NAME_PATTERN.removesuffix("$") + r"\Z")
MOST_REPEATED = 64
"""How often a repeated parameter may be given: each is a condition that the database checks for every row."""
_MOST_PARAMETERS = 200
NAME_SCHEMA: Mapping[str, Any] = {"type": "string", "pattern": NAME_PATTERN, "minLength": 1, "maxLength": 63}


@dataclass(frozen=True)
class Parameter:
    """One query parameter."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    repeated: bool = False
    example: Any = None


DRY_RUN = Parameter(
    "dry_run", "True: answer with the plan and change nothing.", {"type": "boolean", "default": False}, example=True
)
PROJECT = Parameter("project", "Project of the resource.", {**NAME_SCHEMA, "default": "default"}, example="default")
PROJECTS = Parameter(
    "project",
    "Project whose resources are listed; `*`: every project that the token may read.",
    {"type": "string", "pattern": rf"^\*$|{NAME_PATTERN}", "default": "default"},
    example="default",
)
LIMIT = Parameter(
    "limit",
    "Items of a page at most; a page may hold fewer.",
    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 500},
    example=100,
)
AFTER = Parameter("after", "The `next_after` of the page before.", {"type": "string", "minLength": 1, "maxLength": 512})
LABEL = Parameter(
    "label",
    "Only what has the label: `key`, `!key`, `key=value` or `key!=value`; several: all must hold.",
    {"type": "string", "minLength": 1, "maxLength": 200},
    repeated=True,
    example="env=lab",
)
FIELD = Parameter(
    "field",
    "Only what has the value: `status=Active`, `spec.rack=floor-1-1-1-rack-1-1`; several: all must hold.",
    {"type": "string", "pattern": r"^[a-z_][a-z0-9_.]*=", "maxLength": 400},
    repeated=True,
    example="status=Active",
)
FORCE = Parameter(
    "force",
    "True: give up a node that is lost for good, with what runs on it. Only when it is not Up; "
    "the client must have fenced it before.",
    {"type": "boolean", "default": False},
    example=True,
)
KINDS = Parameter(
    "kinds", "Kinds that are watched, separated by commas; none: all that the token may read.", example="Rack,Node"
)
SINCE = Parameter(
    "since",
    "resource_version after which changes are sent; none: from now on.",
    {"type": "integer", "minimum": 0, "maximum": (1 << 63) - 1},
    example=42,
)


class Query:
    """The parameters of one request."""

    def __init__(self, given: Sequence[tuple[str, str]], known: Sequence[Parameter]) -> None:
        """Raise InvalidInput for unknown parameters, and for single ones that are given twice."""
        if len(given) > _MOST_PARAMETERS:
            raise InvalidInput([Problem("query", f"has more than {_MOST_PARAMETERS} parameters")])
        by_name = {parameter.name: parameter for parameter in known}
        self._values: dict[str, list[str]] = {}
        bad: list[Problem] = []
        for name, value in given:
            parameter = by_name.get(name)
            if parameter is None:
                names = ", ".join(sorted(by_name)) or "none"
                bad.append(Problem(f"query.{name[:100]}", f"unknown parameter; known: {names}"))
            elif name in self._values and not parameter.repeated:
                bad.append(Problem(f"query.{name}", "is given twice"))
            elif len(self._values.get(name, ())) >= MOST_REPEATED:
                bad.append(Problem(f"query.{name}", f"is given more than {MOST_REPEATED} times"))
                break
            elif "\0" in value:
                bad.append(Problem(f"query.{name}", "a NUL character is not allowed"))
            elif len(value) > parameter.schema.get("maxLength", 4096):
                bad.append(Problem(f"query.{name}", "is too long"))
            else:
                self._values.setdefault(name, []).append(value)
        if bad:
            raise InvalidInput(bad)

    def text(self, parameter: Parameter) -> str | None:
        """Return the value, None when it was not given; an empty one is refused."""
        values = self._values.get(parameter.name)
        if values is None:
            return None
        if not values[0]:
            raise _bad(parameter, "is empty")
        return values[0]

    def texts(self, parameter: Parameter) -> list[str]:
        """Return all values of a repeated parameter."""
        return self._values.get(parameter.name, [])

    def boolean(self, parameter: Parameter) -> bool:
        """Return whether the value is ``true``; false when not given."""
        value = self.text(parameter)
        if value not in (None, "true", "false"):
            raise _bad(parameter, "must be true or false")
        return value == "true"

    def integer(self, parameter: Parameter) -> int | None:
        """Return a number inside the parameter's bounds, None when not given."""
        value = self.text(parameter)
        if value is None:
            return None
        low, high = parameter.schema["minimum"], parameter.schema["maximum"]
        if not re.fullmatch(r"-?[0-9]{1,19}", value, re.ASCII) or not low <= int(value) <= high:
            raise _bad(parameter, f"must be a whole number from {low} to {high}")
        return int(value)

    def name(self, parameter: Parameter) -> str | None:
        """Return a name, None when not given."""
        value = self.text(parameter)
        if value is not None and not is_name(value):
            raise _bad(parameter, f"must match {NAME_PATTERN}")
        return value


def is_name(value: str) -> bool:
    """Return whether the text can be the name of a resource."""
    return _NAME.match(value) is not None


def is_qualified_name(value: str) -> bool:
    """Return whether the text is a name, also one that begins with the name of a cluster (processes and events)."""
    return _QUALIFIED_NAME.match(value) is not None


def _bad(parameter: Parameter, message: str) -> InvalidInput:
    return InvalidInput([Problem(f"query.{parameter.name}", message)])
