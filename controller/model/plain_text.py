"""Characters that no text of a document may have: they end or forge lines, names and commands where the text is used.

Texts of documents go into domain XML, kernel command lines, DNS, files, terminals and databases. So every text of every
kind, keys included, is checked before anything else, by these rules:

- A text of one line has no control character (C0, DEL, C1, line and paragraph separators), and no character that is not
  seen: bidirectional controls, zero-width and other format characters. Most such texts identify something (a port, a
  serial number, a URL, a value of a label), and two that look the same must be the same.
- A text of several lines (a field declared with ``lines=True``) may have tabs and line breaks, and format characters,
  which some languages need. It is escaped wherever it is shown (``printable``).
- No text has a NUL, or half of a surrogate pair: no database or file takes them.

What was stored by an older version is not checked: it stays readable, and the next write of it is checked.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from typing import get_args

from pydantic import BaseModel

from controller.errors import Problem
from controller.model import registry
from controller.model.fields import facts

_ALWAYS_BAD = frozenset({"Cc", "Cs", "Zl", "Zp"})
_SHOWN = 60
_WRITER = json.JSONEncoder(ensure_ascii=False)


def problems(raw: object, path: str = "") -> Iterator[Problem]:
    """Yield each text with such a character, with its path; ``raw`` is a document, or a part of one."""
    if not _is_printable(raw):
        yield from _problems(raw, path)


def _is_printable(raw: object) -> bool:
    """Return whether every text is printable; False also where that is not sure.

    Nearly every document is, and the encoder shows it many times faster than a walk: it writes everything as it is,
    except quotes, backslashes and C0 controls, which it writes with a backslash.
    """
    try:
        written = _WRITER.encode(raw)
    except (TypeError, ValueError, RecursionError):
        return False
    return "\\" not in written and written.isprintable()


def _problems(raw: object, path: str) -> Iterator[Problem]:
    if isinstance(raw, str):
        last = path.rpartition(".")[2].partition("[")[0]
        bad = unsafe(raw, lines=last in fields_with_lines())
        if bad:
            yield Problem(path, f"must not contain {bad}")
    elif isinstance(raw, Mapping):
        for key, value in raw.items():
            name = str(key)
            if bad := unsafe(name, lines=False):
                yield Problem(path, f"has a field whose name contains {bad}")
            else:
                yield from _problems(value, f"{path}.{name}" if path else name)
    elif isinstance(raw, list | tuple):
        for at, value in enumerate(raw):
            yield from _problems(value, f"{path}[{at}]")


def unsafe(text: str, *, lines: bool) -> str:
    """Return the first character that such a text may not have, in words; empty where there is none."""
    if text.isprintable():
        return ""
    for character in text.replace("\r\n", "\n") if lines else text:
        category = unicodedata.category(character)
        if lines and character in "\n\t":
            continue
        if category in _ALWAYS_BAD or (category == "Cf" and not lines):
            name = unicodedata.name(
                character, "a control character" if category != "Cs" else "half of a surrogate pair"
            )
            return f"U+{ord(character):04X} ({name.lower()})"
    return ""


@cache
def fields_with_lines() -> frozenset[str]:
    """Return the names of the fields whose texts have several lines; a name means the same in every kind."""
    return frozenset(
        name
        for kind in registry.kinds()
        for model in models_of(kind.model)
        for name, info in model.model_fields.items()
        if facts(info).get("x-lines")
    )


def models_of(model: type[BaseModel]) -> set[type[BaseModel]]:
    """Return the model and all models inside it."""
    found = {model}
    waiting = [model]
    while waiting:
        for info in waiting.pop().model_fields.values():
            for inner in _inner(info.annotation):
                if inner not in found:
                    found.add(inner)
                    waiting.append(inner)
    return found


def _inner(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inner(part)
