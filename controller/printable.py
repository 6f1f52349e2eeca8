"""Text of others, made safe to show: terminals, logs and reviewers see what is in it, and nothing acts on it.

Names, reasons and messages come from users, agents and peers. Escape sequences in them could clear or forge what a
terminal shows, line breaks could forge lines, and bidirectional or invisible characters could show one text as another.
Such characters are shown as Python writes them: ``\\x1b``, ``\\u202e``. Letters of all languages and wide spaces stay.

Not promised: that the text can be read back. A backslash is not doubled.
"""

from __future__ import annotations

import json
import unicodedata


def printable(text: str) -> str:
    """Return one line of text in which each control, format and unassigned character is escaped."""
    if text.isprintable():
        return text
    return "".join(each if _is_shown(each) else each.encode("unicode_escape").decode() for each in text)


def printable_json(text: str) -> str:
    """Return the same JSON with such characters as ``\\uXXXX``; line breaks stay: JSON has them only between values."""
    if text.isprintable():
        return text
    return "".join(each if each == "\n" or _is_shown(each) else json.dumps(each)[1:-1] for each in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
