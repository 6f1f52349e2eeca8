"""Output that the user writes with ``-o``: JSONPath templates, and columns of their own.

``jsonpath=TEMPLATE`` prints the results of the queries between braces, and all other text as it is, as kubectl does:
``{.spec.rack}``, ``{.items[*].name}``, ``{range .items[*]}{.name}{"\\n"}{end}``. A template without braces is one
query. ``custom-columns=TITLE:QUERY,...`` prints a table. Queries are JSONPath (RFC 9535) without its first ``$``. They
apply to the document of one resource, else to ``{"items": [...]}``; those of columns to each document.

A query that finds nothing, or null, prints nothing; a column then shows ``-``. Not promised: what kubectl adds to
JSONPath.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from controller.cli.exit_codes import UsageProblem
from controller.printable import printable

if TYPE_CHECKING:
    from jsonpath import JSONPathError

Document = Mapping[str, Any]
Query = Callable[[Any], list[Any]]

JSONPATH = "jsonpath="
COLUMNS = "custom-columns="
_PARTS = re.compile(r"""\{((?:[^{}"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*)\}|([^{}]+)|([{}])""")


class Template(Protocol):
    """A form of output that is made from documents alone."""

    def write(self, documents: Sequence[Document], out: TextIO, *, single: bool) -> None:
        """Write the documents; ``single``: queries apply to the one document itself."""


def parse(text: str) -> Template:
    """Return the template that ``jsonpath=...`` or ``custom-columns=...`` describes. Raises UsageProblem."""
    if text.startswith(JSONPATH):
        return JsonPathTemplate.parse(text.removeprefix(JSONPATH))
    return CustomColumns.parse(text.removeprefix(COLUMNS))


@dataclass(frozen=True)
class JsonPathTemplate:
    """Texts and queries, in order; a part of its own for each ``range`` with what is inside."""

    parts: Sequence[Part]

    @classmethod
    def parse(cls, text: str) -> JsonPathTemplate:
        """Raises UsageProblem."""
        if not text.strip():
            raise UsageProblem(f"-o {JSONPATH}: write a path, for example {JSONPATH}.spec.rack")
        if "{" not in text:
            return cls((_Found(_query(text)),))
        return cls(_parts(text))

    def write(self, documents: Sequence[Document], out: TextIO, *, single: bool) -> None:
        root = documents[0] if single and documents else {"items": documents}
        shown = "".join(piece for part in self.parts for piece in part.pieces(root))
        out.write(shown if shown.endswith("\n") else f"{shown}\n")


@dataclass(frozen=True)
class CustomColumns:
    """Titles, each with the query of its cells."""

    columns: Sequence[tuple[str, Query]]

    @classmethod
    def parse(cls, text: str) -> CustomColumns:
        """Raises UsageProblem."""
        columns = []
        for column in _split(text) or [""]:
            title, colon, query = column.partition(":")
            if not colon or not title or not query:
                raise UsageProblem(f"-o {COLUMNS}{text}: write TITLE:PATH,TITLE:PATH, for example NAME:.name")
            columns.append((title, _query(query.removeprefix("{").removesuffix("}"))))
        return cls(columns)

    def write(self, documents: Sequence[Document], out: TextIO, *, single: bool) -> None:
        from controller.cli.tables import table

        rows = [
            [",".join(map(_shown, query(document))) or "-" for _title, query in self.columns] for document in documents
        ]
        out.writelines(f"{line}\n" for line in table([title for title, _query in self.columns], rows))


class Part(Protocol):
    """A part of a template."""

    def pieces(self, root: Any) -> Iterator[str]:
        """Yield the texts that it prints for ``root``."""


@dataclass(frozen=True)
class _Text:
    text: str

    def pieces(self, root: Any) -> Iterator[str]:
        yield self.text


@dataclass(frozen=True)
class _Found:
    query: Query

    def pieces(self, root: Any) -> Iterator[str]:
        # What could act on the terminal is escaped in values; the user's own texts stay.
        shown = " ".join(map(_shown, self.query(root)))
        yield "\n".join(printable(line) for line in shown.split("\n"))


@dataclass(frozen=True)
class _Range:
    query: Query
    parts: Sequence[Part]

    def pieces(self, root: Any) -> Iterator[str]:
        for item in self.query(root):
            for part in self.parts:
                yield from part.pieces(item)


def _parts(text: str) -> Sequence[Part]:
    """Return the parts of a template; a ``range`` takes in what follows until its ``end``."""
    open_ranges: list[Query] = []
    levels: list[list[Part]] = [[]]
    for match in _PARTS.finditer(text):
        inside, outside, brace = match.groups()
        if brace:
            raise UsageProblem(f"-o {JSONPATH}{text}: {brace!r} at character {match.start() + 1} has no other side")
        if outside is not None:
            levels[-1].append(_Text(outside))
        elif (words := inside.strip()).startswith("range "):
            open_ranges.append(_query(words.removeprefix("range ")))
            levels.append([])
        elif words == "end":
            if not open_ranges:
                raise UsageProblem(f"-o {JSONPATH}{text}: an end has no range")
            inner = levels.pop()
            levels[-1].append(_Range(open_ranges.pop(), inner))
        elif words[:1] in ('"', "'"):
            levels[-1].append(_Text(_quoted(words)))
        else:
            levels[-1].append(_Found(_query(words)))
    if open_ranges:
        raise UsageProblem(f"-o {JSONPATH}{text}: a range has no end")
    return levels[0]


def _query(text: str) -> Query:
    """Compile a query such as ``.spec.rack``. Raises UsageProblem."""
    import jsonpath  # for these forms only

    path = text.strip().removeprefix("$").removeprefix("@")
    path = path if path.startswith((".", "[")) else f".{path}" if path else ""
    path = "" if path == "." else path
    try:
        compiled = jsonpath.compile(f"${path}", strict=True)
    except jsonpath.JSONPathError as error:
        raise UsageProblem(f"{text.strip()}: is no JSONPath: {_reason(error)}") from error
    return lambda root: [value for value in compiled.findall(root) if value is not None]


def _reason(error: JSONPathError) -> str:
    """Return the library's reason, without the names that it has for tokens."""
    reason = str(error).splitlines()[0]
    if "TOKEN_" not in reason or error.token is None:
        return reason
    return f"unexpected token {error.token.value!r}" if error.token.value else "unexpected end of query"


def _split(text: str) -> list[str]:
    """Split at commas that are not inside brackets."""
    return re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text)


def _quoted(words: str) -> str:
    try:
        if words[0] == words[-1] == "'":
            words = json.dumps(words[1:-1]).replace("\\\\", "\\")
        return str(json.loads(words))
    except (ValueError, IndexError):
        raise UsageProblem(f'-o {JSONPATH}...: {words} is no text; write it as {{"\\n"}}') from None


def _shown(value: Any) -> str:
    """Return a value as kubectl prints it: texts bare, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
