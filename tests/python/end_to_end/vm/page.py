"""Reads what a page of the documentation tells its reader to do, so that a test can do it word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A command at a prompt: ``admin$`` or ``node#``."""

    prompt: str
    line: str
    """With its continuation lines and here-document."""


@dataclass(frozen=True)
class File:
    """A block that goes into the file that the text before it names last."""

    path: str
    text: str
    append: bool
    """Whether it is added to what is there."""


def steps(page: Path, names: Mapping[str, str]) -> Iterator[Command | File]:
    """What the page's code blocks say, in their order; ``names`` puts the reader's own addresses into it."""
    parts = re.split(r"^```\w*\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for prose, block in zip(parts[::2], parts[1::2], strict=False):
        for there, own in names.items():
            block = re.sub(rf"(?<![\d.]){re.escape(there)}(?!\d)", own, block)
        if re.match(r"\w+[$#] ", block):
            yield from _commands(block)
        else:
            add, path = re.findall(r"(Add to )?`(/etc/[^`]+)`", prose)[-1]
            yield File(path, block, append=bool(add))


def _commands(block: str) -> Iterator[Command]:
    for prompt, line in re.findall(r"^(\w+[$#]) (.*?\n)(?=\w+[$#] |\Z)", block, flags=re.MULTILINE | re.DOTALL):
        yield Command(prompt, line)
