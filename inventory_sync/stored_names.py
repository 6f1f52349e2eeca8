"""What the inventory has from earlier pulls, and which object a resource without an identity was made of.

Pure. A version without identities gave no resource the label ``netbox-id``. Such a resource belongs to an object that
this version would have given its name. Where several would have had it, the facts decide, then the age.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

NameKey = tuple[str, str, str]
"""Kind, parent and name."""
_SERIAL = 8
"""Weight of a serial number: it is of one device only."""


@dataclass(frozen=True)
class StoredName:
    """A resource that an earlier pull made of an object."""

    kind: str
    parent: str
    name: str
    base: str = ""
    """The object's own name at that time, where the resource has another; empty: it has not."""
    role: str | None = None
    floor: str | None = None
    spec: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class StoredNames:
    """What the inventory has from earlier pulls."""

    by_identity: Mapping[str, Sequence[StoredName]] = field(default_factory=dict)
    """An object that was renamed in NetBox has two, until the old one is deleted; the newest is the first."""
    unlabelled: Mapping[NameKey, StoredName] = field(default_factory=dict)
    """Resources that a version without identities has made."""


@dataclass(frozen=True)
class Contender:
    """An object that a resource without an identity can be of."""

    identity: str
    number: int
    what: str
    item: Mapping[str, Any]
    is_set: bool = False
    """Whether only an override gives the object this name: one that had it by itself comes first."""


def owner(stored: StoredName, contenders: Iterable[Contender]) -> Contender | None:
    """Return the object that the resource was made of."""
    return min(
        contenders, key=lambda one: (one.is_set, -_likeness(one.what, one.item, stored.spec), one.number), default=None
    )


def _likeness(what: str, item: Mapping[str, Any], spec: Mapping[str, Any]) -> int:
    """Return how many facts of the object the resource has too."""
    alike = 0
    with suppress(KeyError, TypeError, ValueError, AttributeError):  # of a skipped object any field can be bad
        for ours, theirs in (("position", "position"), ("height_units", "u_height"), ("subnet", "prefix")):
            alike += item.get(theirs) is not None and spec.get(ours) == item[theirs]
        for ours, theirs in (("rack", "rack"), ("floor", "location")):
            words = item.get(theirs) or {}
            near = {str(words.get(part) or "").lower() for part in ("name", "slug")} - {""}
            alike += str(spec.get(ours) or "") in near
        if what == "device" and item.get("serial"):
            alike += _SERIAL * (spec.get("serial") == item["serial"])
        if what == "power-feed" and (links := spec.get("power_links")):
            alike += links[0]["source"] == str(item["power_panel"].get("name") or "").lower().replace(" ", "-")
    return alike
