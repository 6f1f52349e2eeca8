"""Numbers of things in messages: ``1 node``, ``2 nodes``."""

from __future__ import annotations


def counted(count: int, one: str) -> str:
    """Return the number with its noun, which has a plural in ``s``."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"
