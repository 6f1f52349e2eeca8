"""The words that users write for kinds, with completion."""

from __future__ import annotations

import difflib

from controller.cli.exit_codes import UsageProblem
from controller.client import kinds
from controller.client.kinds import ClientKind
from controller.errors import NotFound


def find_kind(word: str | None) -> ClientKind:
    """Return the kind that ``word`` stands for. Raises UsageProblem with the known kinds."""
    try:
        return kinds.find(word or "")
    except NotFound:
        nouns = sorted(kind.noun for kind in kinds.kinds())
        near = difflib.get_close_matches((word or "").lower(), [*nouns, *sorted(_words() - {*nouns})], 1)
        meant = f"; perhaps {near[0]!r} is meant" if near else ""
        raise UsageProblem(f"KIND {word!r} is not known{meant}; known kinds: {', '.join(nouns)}") from None


def split_kind_and_name(kind: str, name: str | None) -> tuple[str, str | None]:
    """Split ``rack/tokyo/a`` (what ``-o name`` prints) into kind and name; return anything else unchanged."""
    if name is None and "/" in kind:
        kind, _, name = kind.partition("/")
    return kind, name


def complete_kind(incomplete: str) -> list[str]:
    """Return the words for kinds that start with ``incomplete``."""
    return sorted(word for word in _words() if word.startswith(incomplete))


def _words() -> set[str]:
    return {word for kind in kinds.kinds() for word in (kind.noun, kind.segment, *kind.aliases)}
