"""Commands that the pages for operators tell their readers to run are parsed by resourcectl itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from controller.cli import main

PAGES = sorted((Path(__file__).parents[4] / "docs/operations").glob("*.md"))

ENDS = re.compile(r"[|;&<>].*", re.DOTALL)
"""What the shell makes of the rest of a line."""


def commands(page: Path) -> Iterator[list[str]]:
    """The words after ``resourcectl`` of each command in the page's blocks and in its text."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^ *```\w*\n.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [" ".join(inline.split()) for inline in re.findall(r"`([^`]+)`", prose)]
    for line in lines:
        found = re.match(r"\s*(?:\w*[$#] )?resourcectl (.+)", line)
        if found and (words := shlex.split(ENDS.sub("", re.sub(r"\$\([^)]*\)", "X", found[1])))):
            yield words


def parse(words: list[str]) -> None:
    """Parse as ``resourcectl`` does, without running anything; raises what it would print as a usage error."""
    command: Any = typer.main.get_command(main.app)
    context = command.make_context("resourcectl", list(words))
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_one_that_resourcectl_takes(page: Path) -> None:
    for words in commands(page):
        try:
            parse(words)
        except Exception as error:
            pytest.fail(f"{page.name}: resourcectl {shlex.join(words)}: {error}")


def test_a_command_that_does_not_exist_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Run `resourcectl get nodes --loud`.\n\n1. First\n\n   ```\n   node# resourcectl db undo --x 1 | cat\n   ```\n"
    )
    found = list(commands(page))
    assert found == [["db", "undo", "--x", "1"], ["get", "nodes", "--loud"]]
    for words in found:
        with pytest.raises(Exception, match=r"(?i)no such (command|option)"):
            parse(words)
