"""The loader of YAML text: YAML 1.2's core schema, for every face of the service.

PyYAML follows YAML 1.1, where ``010`` is 8, ``1:30`` is 90, ``yes`` is true and ``2024-01-01`` is a date.
Here a plain scalar is null, true or false, a number in decimal, ``0o`` or ``0x`` notation, or a text, and
nothing else. Merge keys (``<<``), which YAML 1.2 has no longer, are read since many files use them.
Numbers that JSON cannot represent (``.inf``, ``.nan``) are refused, because documents travel as JSON.

A key that is given twice, a merge key too, is refused: the last one would silently win. Every refusal is a
MarkedYAMLError.
Source: YAML 1.2.2, chapter 10.3 (core schema).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, ClassVar

import yaml

BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DIGITS = 100
"""Of an integer. Python limits decimal digits and not ``0x``, and fails to print what is beyond its limit."""
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"

_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)


class CoreLoader(BASE):  # type: ignore[misc]
    """PyYAML's loader with the core schema and keys given once."""

    yaml_implicit_resolvers: ClassVar[dict[str | None, list[tuple[str, re.Pattern[str]]]]] = {}
    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        tag: made
        for tag, made in BASE.yaml_constructors.items()
        if tag in (None, f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map")
    }

    def flatten_mapping(self, node: Any) -> None:
        """Resolve merge keys; raise ConstructorError for a key that is given twice.

        PyYAML puts the merged pairs into the node itself, and a merge of this node may come before its own turn: the
        keys are checked once, before the first merge.
        """
        if getattr(node, "keys_checked", False):
            return super().flatten_mapping(node)  # type: ignore[no-any-return]
        node.keys_checked = True
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                raise _refusal(key_node, f"{key_node.value!r} is given twice")
            seen.add(key_node.value)
        return super().flatten_mapping(node)  # type: ignore[no-any-return]


def _scalar(pattern: re.Pattern[str], read: Callable[[str], object]) -> Callable[[Any, Any], object]:
    """A constructor that reads what the pattern describes, also where a tag asks for it (``!!int "yes"``)."""

    def construct(loader: Any, node: Any) -> object:
        text = loader.construct_scalar(node)
        if not pattern.match(text):
            raise _refusal(node, f"{_quoted(text)} is not {node.tag.removeprefix(_TAG)} in YAML 1.2")
        try:
            return read(text)
        except ValueError as error:
            raise _refusal(node, f"{_quoted(text)} cannot be read: {error}") from None

    return construct


def _int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError("it has too many digits")
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(text: str) -> float:
    value = math.inf if text[-1] in "fFnN" else float(text)
    if not math.isfinite(value):
        raise ValueError("JSON has no such number")
    return value


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def _refusal(node: Any, reason: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, reason, node.start_mark)


for _name, _pattern, _first, _read in (
    ("null", _NULL, ["~", "n", "N", ""], lambda text: None),
    ("bool", _BOOL, list("tTfF"), lambda text: text[0] in "tT"),
    ("int", _INT, list("-+0123456789"), _int),
    ("float", _FLOAT, list("-+.0123456789"), _float),
):
    CoreLoader.add_implicit_resolver(f"{_TAG}{_name}", _pattern, _first)
    CoreLoader.add_constructor(f"{_TAG}{_name}", _scalar(_pattern, _read))
CoreLoader.add_implicit_resolver(_MERGE, re.compile(r"<<\Z"), ["<"])
