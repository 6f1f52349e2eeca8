"""Refuse YAML text that would become far more than it is long, before anything is built from it.

libyaml's composer overruns the C stack on deep nesting, an alias repeats what it names, and libyaml
compares each ``%TAG`` line with all before it. Limits are checked on the stream of events, which takes
time in proportion to the length of the text and memory in proportion to its depth. Text that cannot
exceed a limit is recognized by counting a few characters, and is not scanned.

Does not promise that the text is YAML: the loader finds out.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from controller.errors import InvalidInput, Problem

MAX_DEPTH = 64
"""Nested mappings and lists; our deepest document has nine."""
MAX_REPEATED = 100_000
"""Values that aliases (``*name``) may repeat in one text, all together."""
MAX_DOCUMENTS = 50_000
"""Documents in one text."""
_MAX_DIRECTIVES = 20

_BREAK = re.compile("[\r\x85\u2028\u2029\ufeff]")
"""What libyaml takes for the end of a line, beside ``\\n``, or skips at its beginning."""
_INDENT = re.compile(r"^[ \t?:-]+", re.MULTILINE)
_DOCUMENT = re.compile(r"^---", re.MULTILINE)
_TAG_DIRECTIVE = re.compile(r"^%", re.MULTILINE)


def check(text: str, loader: type[Any]) -> None:
    """Raise InvalidInput with the line for text beyond a limit; YAMLError where the scan meets no YAML."""
    lines = _BREAK.sub("\n", text) if _BREAK.search(text) else text
    if _exceeds(_DOCUMENT, lines, MAX_DOCUMENTS):
        raise InvalidInput([Problem("", f"has more than {MAX_DOCUMENTS} documents")])
    if _exceeds(_TAG_DIRECTIVE, lines, _MAX_DIRECTIVES):
        raise InvalidInput([Problem("", f"has more than {_MAX_DIRECTIVES} directives")])
    if "*" in text or _may_be_deep(lines):
        _scan(text, loader)


def _exceeds(pattern: re.Pattern[str], text: str, most: int) -> bool:
    return any(number >= most for number, _ in enumerate(pattern.finditer(text)))


def _may_be_deep(text: str) -> bool:
    """A cheap upper bound of the depth: columns of indentation and opened brackets."""
    if text.count("[") + text.count("{") > MAX_DEPTH // 2:
        return True
    return any(match.end() - match.start() > MAX_DEPTH // 2 for match in _INDENT.finditer(text))


class _Open:
    """A mapping or list whose end has not come yet."""

    def __init__(self, anchor: str | None) -> None:
        self.anchor = anchor
        self.values = 1


def _scan(text: str, loader: type[Any]) -> None:
    opened: list[_Open] = []
    anchors: dict[str, int] = {}
    repeated = 0
    for event in yaml.parse(text, Loader=loader):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.DocumentStartEvent):
            anchors = {}
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append(_Open(anchor))
            if len(opened) > MAX_DEPTH:
                raise _refusal(event, "nested too deeply")
            if anchor is not None:
                anchors[anchor] = -1
        elif isinstance(event, yaml.AliasEvent):
            values = anchors.get(anchor or "", 1)  # the loader refuses an alias of nothing
            if values < 0:
                raise _refusal(event, f"*{anchor} is inside of what it repeats")
            repeated += values
            if repeated > MAX_REPEATED:
                raise _refusal(event, f"aliases repeat more than {MAX_REPEATED} values")
            _add(opened, values)
        elif isinstance(event, yaml.ScalarEvent):
            if anchor is not None:
                anchors[anchor] = 1
            _add(opened, 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = opened.pop()
            if closed.anchor is not None:
                anchors[closed.anchor] = closed.values
            _add(opened, closed.values)


def _add(opened: list[_Open], values: int) -> None:
    if opened:
        opened[-1].values += values


def _refusal(event: Any, reason: str) -> InvalidInput:
    line = event.start_mark.line + 1 if event.start_mark else 1
    return InvalidInput([Problem("", f"line {line}: {reason}")])
