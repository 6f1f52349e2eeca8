"""The names that an object of NetBox may have.

Pure. A name of NetBox is unique only in its location, tenant, panel, manufacturer or VRF, and one of the inventory is
unique in its datacenter. So an object has several candidates: its own name, its name with what it is in before it,
and its name with its id. Nearly every object gets the first, so that the others are made only when they are needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from controller.model.names import MAX_NAME, NAME_PATTERN
from controller.model.plain_text import unsafe
from inventory_sync.mapping import ID_LABEL, Names
from inventory_sync.romanization import romanized
from inventory_sync.skipping import UnfitObjectError, identity

VALID_NAME = re.compile(NAME_PATTERN)
_NO_NAME = re.compile(r"[^a-z0-9]+")
Item = Mapping[str, Any]


def translate(given: str, rules: Names) -> str:
    """Return the translated name, which may be invalid (``NameRegistry`` checks it)."""
    if given in rules.overrides:
        return rules.overrides[given]
    return _joined([rewritten(given, rules)])


def earlier(given: str, rules: Names) -> str:
    """Return the name that a version without identities gave."""
    return rules.overrides.get(given) or _NO_NAME.sub("-", rewritten(given, rules).lower()).strip("-")


def rewritten(given: str, rules: Names) -> str:
    """Return the name after the replacements of the mapping."""
    for rule in rules.replace:
        given = re.sub(rule.pattern, rule.by, given)
    return given


def _joined(parts: Iterable[str]) -> str:
    words = (_NO_NAME.sub("-", romanized(part).lower()).strip("-") for part in parts)
    return "-".join(word for word in words if word)


@dataclass(frozen=True)
class Claim:
    """An object of NetBox that needs a name."""

    what: str
    item: Item
    given: str
    parent: str = ""
    """Resource in which the name must be unique; empty: everywhere."""
    within: tuple[tuple[str, ...], ...] = ()
    """What can stand before its name, the shortest first: ``(("room-a",), ("floor-1", "room-a"))``."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Values for a template, besides ``name`` and ``id``."""

    @cached_property
    def number(self) -> int:
        return int(self.item["id"])

    @cached_property
    def identity(self) -> str:
        return identity(self.what, self.number)

    def paths(self) -> Iterator[str]:
        """Yield the keys that an override can have for this object, the longest first."""
        yield f"{ID_LABEL}={self.identity}"
        for words in sorted(self.within, key=len, reverse=True):
            yield "/".join((*words, self.given))


class Candidates:
    """The names of one object, the best first."""

    def __init__(self, claim: Claim, rules: Names) -> None:
        """Raises UnfitObjectError when the object cannot have a name."""
        self.claim, self._rules = claim, rules
        given = claim.given
        if not isinstance(given, str) or not given.strip():
            raise UnfitObjectError("has no name")
        if bad := unsafe(given, lines=False):
            raise UnfitObjectError(f"its name must not contain {bad}")
        path = next((key for key in claim.paths() if key in rules.overrides), None) if rules.overrides else None
        template = {str(what): words for what, words in rules.templates.items()}.get(claim.what)
        self.has_override = path is not None or given in rules.overrides
        self.is_set = self.has_override or template is not None
        """Whether the mapping says what the name is."""
        self.base = translate(given, rules)
        """The object's own name."""
        self._stem = self.base if path is None else rules.overrides[path]
        if path is None and not VALID_NAME.match(self.base):
            message = f"{given!r} gives no valid name ({self.base!r}): lower-case letters, digits and -,"
            raise UnfitObjectError(f"{message} {MAX_NAME} at most; see names.overrides")
        self.first = self._stem if template is None or self.has_override else self._by(template)

    def __iter__(self) -> Iterator[str]:
        yield self.first
        yield from self._longer

    def __contains__(self, name: str) -> bool:
        return name == self.first or name in self._longer

    @cached_property
    def _longer(self) -> tuple[str, ...]:
        tail = f"-{self.claim.number}"
        within = ((*(rewritten(word, self._rules) for word in words), self._stem) for words in self.claim.within)
        longer = (one for one in map(_joined, within) if VALID_NAME.match(one))
        return (*longer, self._stem[: MAX_NAME - len(tail)].rstrip("-") + tail)

    def _by(self, template: str) -> str:
        claim = self.claim
        fields = {**claim.fields, "name": rewritten(claim.given, self._rules), "id": str(claim.number)}
        name = _joined([re.sub(r"\{(\w+)\}", lambda match: f" {fields.get(match[1], '')} ", template)])
        if not VALID_NAME.match(name):
            message = f"names.templates.{claim.what} gives no valid name ({name!r})"
            raise UnfitObjectError(f"{message}: lower-case letters, digits and -, {MAX_NAME} at most")
        return name
