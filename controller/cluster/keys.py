"""Keys as text, ``Compute default/kanto/web-0``, as loops and messages name resources."""

from __future__ import annotations

from controller.model import registry
from controller.model.registry import Key


def parse_key(text: str) -> Key:
    """The key whose ``str`` is ``text``; raises NotFound for an unknown kind."""
    kind, _, path = text.partition(" ")
    return key_of_path(kind, path)


def key_of_path(kind: str, path: str) -> Key:
    """The key of that kind whose ``path`` is ``path``; raises NotFound for an unknown kind."""
    parts = tuple(path.split("/"))
    return Key(kind, parts[0], parts[1:]) if registry.get(kind).per_project else Key(kind, "", parts)
