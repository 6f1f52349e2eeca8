"""Reads YAML and JSON text from untrusted sources: the work is proportional to the length of the text.

Every failure is an InvalidInput that names the line and quotes what was written. Keys given twice are
refused in both (the last one would win silently), and so are numbers that JSON cannot represent, and NUL
characters. ``yaml_limits`` bounds what a text may become, ``yaml_loader`` says what its words mean.

Not promised: that the values are valid. The models validate them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from controller.errors import InvalidInput, Problem
from controller.model import yaml_limits
from controller.model.yaml_loader import BASE, CoreLoader

_ESCAPED_NUL = re.compile(r"\\(0|x00|u0000|U00000000)")


def load_json(text: str) -> Any:
    """Return the value of JSON text; raise InvalidInput with the line."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        raise InvalidInput([Problem("", f"line {error.lineno}: {error.msg}")]) from error
    except RecursionError:
        raise InvalidInput([Problem("", "nested too deeply")]) from None
    except ValueError as error:
        raise InvalidInput([Problem("", str(error))]) from error
    _check_strings(text, value)
    return value


def load_yaml(text: str) -> list[Any]:
    """Return the values of all YAML documents of a text; raise InvalidInput with the line."""
    try:
        yaml_limits.check(text, BASE)
        values = list(yaml.load_all(text, Loader=CoreLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise InvalidInput([Problem("", f"{where}{error.problem or error.context or 'not YAML'}")]) from error
    except yaml.YAMLError as error:
        raise InvalidInput([Problem("", str(error))]) from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput([Problem("", f"a value cannot be read: {error}")]) from error
    _check_strings(text, values)
    return values


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"{name!r} is given twice")
            seen.add(name)
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _float(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:60]} is larger than a number may be")
    return value


def _check_strings(text: str, value: Any) -> None:
    """Refuse NUL, which PostgreSQL cannot store. Only texts that contain the escape are searched."""
    if not _ESCAPED_NUL.search(text):
        return
    if any("\0" in string for string in _strings(value)):
        raise InvalidInput([Problem("", "a NUL character is not allowed")])


def _strings(root: Any) -> Iterator[str]:
    """Yield every string in a value, each shared part once (aliases of YAML may repeat parts)."""
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
