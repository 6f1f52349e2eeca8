"""What a client has to know of the kinds, without their models: paths, parents, words and columns.

Importing the models builds some hundred pydantic classes, which costs more CPU than everything else that
``resourcectl get`` does. The table (``kind_table``) is generated from the models by ``make docs``; a test
fails while it is stale. Documents are not checked here: the server does that, and ``controller.model`` does
it for callers that want to know before they send.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.client.kind_table import KINDS, SERVER_SET
from controller.client.kind_types import ClientKind
from controller.errors import NotFound
from controller.resource_name import ResourceName

__all__ = ["SERVER_SET", "ClientKind", "ResourceName", "find", "get", "kinds"]

_BY_NAME = {kind.name: kind for kind in KINDS}


def kinds() -> Iterator[ClientKind]:
    """Return all kinds, parents before children."""
    return iter(_BY_NAME.values())


def get(name: str) -> ClientKind:
    """Return the kind of that exact name; raises NotFound."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise NotFound(f"unknown kind {name!r}; known kinds: {', '.join(sorted(_BY_NAME))}") from None


def find(word: str) -> ClientKind:
    """Return the kind that a user means by ``word``: name, noun, path segment or alias, any case."""
    wanted = _normal(word)
    for kind in kinds():
        if wanted in map(_normal, (kind.name, kind.noun, kind.segment, f"{kind.noun}s", *kind.aliases)):
            return kind
    return get(word)


def _normal(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")
