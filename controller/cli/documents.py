"""Documents from files, folders, URLs and standard input, each with its place: what ``-f`` of every command reads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from controller import model as _model  # noqa: F401  (registers the kinds)
from controller.cli import document_urls
from controller.cli.exit_codes import UsageProblem
from controller.errors import InvalidInput, Problem
from controller.model import document
from controller.model.registry import AnyResource

SUFFIXES = (".yaml", ".yml", ".json")

FileOption = typer.Option(
    "-f",
    "--file",
    metavar="FILE",
    help="File, folder or URL (http, https) of documents; - is standard input. May be repeated.",
)
Files = Annotated[list[str], FileOption]
OptionalFiles = Annotated[list[str] | None, FileOption]


@dataclass(frozen=True)
class Source:
    """A document and its place: ``examples/tokyo/web.yaml[0]``."""

    place: str
    raw: Mapping[str, Any]


def read(
    names: Sequence[str], stdin: TextIO | None = None, fetch: Callable[[str], str] = document_urls.fetch
) -> list[Source]:
    """Return all documents of the given files, folders and URLs, in order; ``-`` is standard input.

    A folder gives its ``*.yaml``, ``*.yml`` and ``*.json`` files in order of name, sub-folders
    included. Raises UsageProblem for a file that cannot be read, InvalidInput for text that is not YAML, and
    what ``document_urls.fetch`` raises.
    """
    sources: list[Source] = []
    for place, text in _texts(names, stdin if stdin is not None else sys.stdin, fetch):
        try:
            raws = document.read(text)
        except InvalidInput as error:
            raise InvalidInput([_placed(place, problem) for problem in error.problems]) from error
        sources.extend(Source(f"{place}[{index}]", raw) for index, raw in enumerate(raws))
    if not sources:
        shown = (document_urls.shown(name) if document_urls.is_url(name) else name for name in names)
        raise UsageProblem(f"-f {' '.join(shown)}: no documents found")
    return sources


def check(sources: Sequence[Source]) -> list[AnyResource]:
    """Parse all documents. Raises one InvalidInput with every problem of every document.

    The server checks again. The check here gives places in files instead of places in a request.
    """
    parsed: list[AnyResource] = []
    bad: list[Problem] = []
    for source in sources:
        try:
            parsed.append(document.parse(source.raw))
        except InvalidInput as error:
            bad.extend(_placed(_titled(source), problem) for problem in error.problems)
    if bad:
        raise InvalidInput(bad)
    return parsed


def _titled(source: Source) -> str:
    kind, name = source.raw.get("kind"), source.raw.get("name")
    return f"{source.place} {kind} {name}" if kind and name else source.place


def _placed(place: str, problem: Problem) -> Problem:
    return Problem(f"{place}: {problem.path}" if problem.path else place, problem.message)


def _texts(names: Sequence[str], stdin: TextIO, fetch: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    for name in names:
        if name == "-":
            yield "standard input", _input(stdin)
            continue
        if document_urls.is_url(name):
            yield document_urls.shown(name), fetch(name)
            continue
        path = Path(name)
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
        else:
            files = [path]
        for file in files:
            yield str(file), _text(file)


def _input(stdin: TextIO) -> str:
    try:
        return stdin.read()
    except UnicodeDecodeError as error:
        raise UsageProblem("-f -: is not UTF-8 text") from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageProblem(f"-f {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageProblem(f"-f {file}: is not UTF-8 text") from error
