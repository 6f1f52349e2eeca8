"""Objects of NetBox that a pull skips, each with its reason, so that one bad object never stops the others.

Pure. ``Skips.guard`` surrounds the translation of one object. Whatever is wrong with that object is recorded there, and
the next one follows. What the inventory already has of a skipped object is neither changed nor deleted, except
that it gives up what NetBox gives to another object now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TITLES = ("name", "slug", "prefix", "address", "label")


class UnfitObjectError(Exception):
    """Raised when an object cannot become a resource; the text is the reason."""


@dataclass(frozen=True)
class Skipped:
    """An object that was skipped."""

    what: str
    """Its type, as in an identity: ``rack``, ``power-feed``."""
    number: int
    """Its id in NetBox."""
    title: str
    reason: str

    @property
    def identity(self) -> str:
        """The value of the label of a resource that was made of the object."""
        return identity(self.what, self.number)

    def __str__(self) -> str:
        return f"{self.title}: {self.reason}"


class Skips:
    """What was skipped, in the order in which it was found."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, int, str], Skipped] = {}
        self.identities: dict[str, str] = {}
        """Titles of skipped objects that could have become a resource, by identity."""
        self.items: dict[str, tuple[str, Mapping[str, Any]]] = {}
        """Types and fields of these objects, by identity."""

    def add(self, what: str, item: Mapping[str, Any], reason: str, *, whole: bool = True) -> None:
        """Record a skipped object; not ``whole``: only a part of it is missing."""
        number = int(item["id"])
        named = title(what, item)
        self.found[what, number, reason] = Skipped(what, number, named, reason)
        if whole:
            self.identities[identity(what, number)] = named
            self.items[identity(what, number)] = (what, item)

    def title_of(self, what: str, number: int) -> str | None:
        """Return the title of a skipped object; None where it was not skipped."""
        return self.identities.get(identity(what, number))

    def guard(self, what: str, item: Mapping[str, Any], *, whole: bool = True) -> _Guard:
        """Record the object as skipped when what is done inside cannot be done with it."""
        return _Guard(self, what, item, whole)


class _Guard:
    """A context around the translation of one object: a pull enters tens of thousands of them."""

    __slots__ = ("_item", "_skips", "_what", "_whole")

    def __init__(self, skips: Skips, what: str, item: Mapping[str, Any], whole: bool) -> None:
        self._skips, self._what, self._item, self._whole = skips, what, item, whole

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None:
            return False
        if isinstance(error, UnfitObjectError):
            reason = str(error)
        elif isinstance(error, KeyError):
            reason = f"NetBox's answer has no field {error}"
        elif isinstance(error, TypeError | ValueError | AttributeError | IndexError):
            reason = f"has a value that cannot be used: {error}"
        else:
            return False
        self._skips.add(self._what, self._item, reason, whole=self._whole)
        return True


def identity(what: str, number: int) -> str:
    """Return what identifies an object of NetBox for ever: its type and id."""
    return f"{what}-{number}"


def title(what: str, item: Mapping[str, Any]) -> str:
    """Return the words for an object in messages; its fields may be of any type."""
    named = next((str(item[field]) for field in _TITLES if item.get(field)), "")
    if what in ("rack", "location"):
        site = item.get("site")
        named = (
            f"{site['slug']}/{item.get('slug') or named}".rstrip("/")
            if isinstance(site, dict) and "slug" in site
            else named
        )
    elif what == "interface" and isinstance(item.get("device"), dict):
        named = f"{named} of {item['device'].get('name')}"
    words = " ".join(part for part in (what.replace("-", " "), named) if part)
    return f"{words} (id {item['id']})"


def required(item: Mapping[str, Any], field: str) -> Any:
    """Return a field that the object must have. Raises UnfitObjectError."""
    value = item.get(field)
    if value is None:
        raise UnfitObjectError(f"has no {field.replace('_', ' ')}")
    return value
