"""What ``get`` and its relatives are asked for: ``KIND[,KIND...] [NAME...]``, or ``KIND/NAME ...``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.cli.exit_codes import UsageProblem
from controller.cli.kind_words import find_kind
from controller.client.kinds import ClientKind


@dataclass(frozen=True)
class Target:
    """A kind, and the names of its resources that are meant; no names: all of them."""

    kind: ClientKind
    names: tuple[str, ...] = ()


def parse(words: Sequence[str]) -> list[Target]:
    """Return the targets in the order of the words. Raises UsageProblem."""
    first, *names = words
    if "/" in first:
        return [_one(word) for word in words]
    kinds = list(dict.fromkeys(find_kind(word) for word in first.split(",")))
    if len(kinds) > 1 and names:
        raise UsageProblem(f"{first}: names belong to one kind; write KIND/NAME for resources of several kinds")
    return [Target(kind, tuple(dict.fromkeys(names))) for kind in kinds]


def _one(word: str) -> Target:
    kind, slash, name = word.partition("/")
    if not slash or not name:
        raise UsageProblem(f"{word}: write KIND/NAME, as the others are written")
    return Target(find_kind(kind), (name,))
