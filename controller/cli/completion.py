"""Names for the shell's completion: those of a kind that the server knows.

A server that is slow, absent or refuses gives no names: completion must not print errors into the user's line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import typer

from controller.cli import config, options
from controller.cli.kind_words import complete_kind, find_kind
from controller.cli.session import Session
from controller.errors import ResourceError

_SECONDS = 2.0
_MOST = 200


def target(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return kinds for the first word, and names of that kind for the others."""
    words = list(ctx.params.get("words") or ())
    return names(words[0], incomplete, ctx.params) if words else complete_kind(incomplete)


def name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return names of the kind that the word before names."""
    kind = ctx.params.get("kind")
    return names(kind, incomplete, ctx.params) if kind else []


def name_of(kind: str) -> Callable[[typer.Context, str], list[str]]:
    """Return a completion of names of one kind."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return names(kind, incomplete, ctx.params)

    return complete


def names(kind_word: str, incomplete: str, given: Mapping[str, Any]) -> list[str]:
    """Return the names that begin with ``incomplete``; ``given`` are the options before the word."""
    try:
        kind = find_kind(kind_word)
        known = {key: given.get(key) for key in (*config.CONNECTION_KEYS, *options.PARENTS)}
        with Session(config.load(known, options.PARENTS), read_seconds=_SECONDS) as session:
            found = {str(item["name"]) for item in session.find(kind, limit=5000)}
    except ResourceError:
        return []
    return sorted(each for each in found if each.startswith(incomplete))[:_MOST]
