"""Reading YAML and JSON text from strangers: never more work than the text is long.

The parsers below us crash or blow up on hostile text: libyaml's composer overruns the C stack on
deep nesting, merge keys multiply, Python's ``int`` refuses thousands of digits with a ValueError.
So depth is checked before anything is built, merges are counted, keys given twice are refused
(the last one would win silently), and every failure is an InvalidInput that names the line.

Does not promise anything of the values: that is the models' work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from controller.errors import InvalidInput, Problem

MAX_DEPTH = 64
"""Nested mappings and lists; our deepest document has nine."""
MAX_MERGED = 100_000
"""Pairs that merge keys (``<<``) may bring in one text."""

_INDENT = re.compile(r"^[ \t?:-]+", re.MULTILINE)
_ESCAPED_NUL = re.compile(r"\\(0|x00|u0000|U00000000)")

_CSafe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_json(text: str) -> Any:
    """The value that JSON text stands for; raises InvalidInput with the line."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidInput([Problem("", f"line {error.lineno}: {error.msg}")]) from error
    except RecursionError:
        raise InvalidInput([Problem("", "nested too deeply")]) from None
    except ValueError as error:
        raise InvalidInput([Problem("", str(error))]) from error
    _check_strings(text, value)
    return value


def load_yaml(text: str) -> list[Any]:
    """The values of all YAML documents of a text; raises InvalidInput with the line."""
    try:
        if _may_be_deep(text):
            _check_depth(text)
        values = list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise InvalidInput([Problem("", f"{where}{error.problem or error.context or 'no YAML'}")]) from error
    except yaml.YAMLError as error:
        raise InvalidInput([Problem("", str(error))]) from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput([Problem("", f"a value cannot be read: {error}")]) from error
    _check_strings(text, values)
    return values


class _Loader(_CSafe):  # type: ignore[misc]
    """The safe loader, with merges counted and keys given once."""

    merged = 0

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key_node.value!r} is given twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)

    def flatten_mapping(self, node: Any) -> None:
        if not any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            return
        super().flatten_mapping(node)
        self.merged += len(node.value)
        if self.merged > MAX_MERGED:
            raise yaml.constructor.ConstructorError(None, None, "merge keys bring in too much", node.start_mark)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is given twice")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _may_be_deep(text: str) -> bool:
    """A cheap upper bound of the depth: columns of indentation and opened brackets."""
    if text.count("[") + text.count("{") > MAX_DEPTH // 2:
        return True
    return any(match.end() - match.start() > MAX_DEPTH // 2 for match in _INDENT.finditer(text))


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_CSafe):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise InvalidInput([Problem("", f"line {line}: nested too deeply")])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_strings(text: str, value: Any) -> None:
    """No NUL: PostgreSQL has no place for one. Only texts that have the escape are searched."""
    if not _ESCAPED_NUL.search(text):
        return
    if any("\0" in word for word in _words(value)):
        raise InvalidInput([Problem("", "a NUL character is not allowed")])


def _words(root: Any) -> Iterator[str]:
    """Every string in a value, each shared part once (YAML's aliases may repeat parts)."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list) and id(value) not in seen:
            seen.add(id(value))
            waiting.extend(value.values() if isinstance(value, dict) else value)
            if isinstance(value, dict):
                waiting.extend(value.keys())
