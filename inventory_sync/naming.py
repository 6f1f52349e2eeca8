"""Names and labels of the inventory from those of NetBox.

Pure. ``NameRegistry`` assigns each object the first of its candidates that is free, older objects first.

A name that was assigned stays: the resource has the object's identity as a label, and its name is kept as long as the
object has the same name in NetBox, wherever it is moved and whatever is added beside it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from controller.errors import Problem
from inventory_sync.candidates import VALID_NAME, Candidates, Claim, Item, earlier, translate
from inventory_sync.mapping import Labels, Names
from inventory_sync.romanization import romanized
from inventory_sync.skipping import Skips
from inventory_sync.stored_names import Contender, NameKey, StoredName, StoredNames, owner

_NO_VALUE = re.compile(r"[^A-Za-z0-9_.-]+")
_TYPES: dict[str, tuple[str, ...]] = {
    "Region": ("region", "site-group"),
    "Datacenter": ("site",),
    "Floor": ("location",),
    "Rack": ("rack",),
    "PhysicalModel": ("device-type",),
    "PhysicalResource": ("device", "power-panel", "power-feed"),
    "NetworkV4": ("prefix",),
}
"""Types of objects that become resources of a kind."""
_SLUGS = frozenset({"region", "site-group", "site", "location", "device-type"})
"""Types whose slug is the name."""


class NameRegistry:
    """Assigns names by kind and parent."""

    def __init__(
        self, rules: Names, skips: Skips, stored: StoredNames | None = None, present: Iterable[str] = ()
    ) -> None:
        """``present`` are the identities of everything that NetBox has, in the pull or not."""
        self._rules, self._skips = rules, skips
        self.stored = stored or StoredNames()
        self.problems: list[Problem] = []
        """What is wrong with the mapping: it ends the pull."""
        self.short: dict[str, str] = {}
        """By identity, the object's own name where the resource has another."""
        self._present = frozenset(present) & self.stored.by_identity.keys()
        self._used: dict[NameKey, str] = {}
        self.doubtful: dict[NameKey, str] = {}
        """Resources without an identity whose name an object may have that is not known to be theirs: its identity."""
        self._found: dict[str, StoredName] = {}
        """Resources without an identity, by that of the object that they were made of."""

    def assign(self, kind: str, claims: Iterable[Claim]) -> dict[str, str]:
        """Return names by identity; an object that cannot have one is skipped, but keeps the name that it has."""
        fit: list[Candidates] = []
        unfit: list[Claim] = []
        names: dict[str, str] = {}
        for claim in sorted(claims, key=lambda one: (one.number, one.what)):
            with self._skips.guard(claim.what, claim.item):
                fit.append(Candidates(claim, self._rules))
                continue
            unfit.append(claim)
        self._keep(kind, {one.claim.parent for one in fit}, {one.claim.identity for one in fit})
        known = {one.claim.identity: self._known(kind, one) for one in fit}
        places: dict[str, set[tuple[object, object]]] = defaultdict(set)
        for claim in (*unfit, *(one.claim for one in fit)):
            places[claim.parent].add(_place(claim.item))
        if any(key[0] == kind for key in self.stored.unlabelled):
            known |= self._without_identity(kind, [one for one in fit if known[one.claim.identity] is None], places)
            self._doubt(kind, fit, known)
        for claim in unfit:
            if (stored := self.stored_of(claim.identity, kind, claim.parent)) is not None:
                names[claim.identity] = stored.name
        for candidates in sorted(fit, key=lambda one: known[one.claim.identity] is None):
            claim = candidates.claim
            mine = known[claim.identity]
            name = mine or next((one for one in candidates if self._free(kind, claim, one)), None)
            if name is None:  # even the one with its id is taken, by an override or by hand
                self._skips.add(claim.what, claim.item, f"every name for it is taken ({', '.join(candidates)})")
                continue
            self._used[kind, claim.parent, name] = claim.identity
            names[claim.identity] = name
            if name != candidates.base and VALID_NAME.match(candidates.base):
                self.short[claim.identity] = candidates.base
        return names

    def stored_of(self, found: str, kind: str, parent: str | None = None) -> StoredName | None:
        """Return what the inventory has of an object, in that parent; without a parent, anywhere."""
        known = [*self.stored.by_identity.get(found, ()), *([self._found[found]] if found in self._found else [])]
        return next((one for one in known if one.kind == kind and parent in (None, one.parent)), None)

    def _keep(self, kind: str, parents: Collection[str], fit: Collection[str]) -> None:
        """Keep the names of what NetBox has and this pull leaves out, so that nothing else takes its resource over."""
        for found in self._present.difference(fit):
            for one in self.stored.by_identity[found]:
                if one.kind == kind and one.parent in parents:
                    self._used[kind, one.parent, one.name] = found

    def _without_identity(
        self, kind: str, fit: Sequence[Candidates], places: Mapping[str, Collection[object]]
    ) -> dict[str, str]:
        """Return the names of resources without an identity, by that of the object that each was made of.

        The others of them are reserved: whose they are is not known.
        """
        contenders: dict[NameKey, list[Contender]] = defaultdict(list)
        longer: dict[tuple[str, str], list[Candidates]] = defaultdict(list)
        for candidates in fit:
            claim = candidates.claim
            old = "" if claim.identity in self.stored.by_identity else earlier(claim.given, self._rules)
            name, is_set = (candidates.first, candidates.first != old) if candidates.is_set else (old, False)
            if name and not (is_set and not candidates.has_override):
                one = Contender(claim.identity, claim.number, claim.what, claim.item, is_set)
                contenders[kind, claim.parent, name].append(one)
            if claim.identity not in self.stored.by_identity:
                longer[claim.parent, candidates.base].append(candidates)
        mine = {one.claim.identity for one in fit}
        skipped: dict[str, list[Contender]] = defaultdict(list)
        for one in self._skipped(kind):
            if one.identity not in mine:
                for name in {earlier(_own_name(one), self._rules), translate(_own_name(one), self._rules)}:
                    skipped[name].append(one)
        names: dict[str, str] = {}
        for key, stored in self.stored.unlabelled.items():
            if key[0] != kind:
                continue
            self._used.setdefault(key, "")
            near = places.get(stored.parent, ())
            others = [one for one in skipped.get(stored.base or stored.name, ()) if _place(one.item) in near]
            found = owner(stored, [*(_having(stored, longer) if stored.base else contenders[key]), *others])
            if found is not None and found.identity not in self._found:
                self._found[found.identity] = stored
                if found.identity in mine:
                    names[found.identity] = stored.name
        return names

    def _doubt(self, kind: str, fit: Sequence[Candidates], known: Mapping[str, str | None]) -> None:
        """Record each resource without an identity that has a name of an object, and is not the object's: it may be."""
        theirs = {
            (kind, one.claim.parent, name): one.claim.identity
            for one in reversed(fit)
            for name in one
            if name != known[one.claim.identity]
        }
        taken = {(kind, one.claim.parent, known[one.claim.identity]) for one in fit}
        for key in self.stored.unlabelled:
            if key in theirs and key not in taken:
                self.doubtful[key] = theirs[key]

    def _skipped(self, kind: str) -> Iterator[Contender]:
        """Yield the skipped objects that could have become a resource of the kind."""
        for found, (what, item) in self._skips.items.items():
            if what in _TYPES[kind] and found not in self.stored.by_identity:
                yield Contender(found, int(item["id"]), what, item)

    def _known(self, kind: str, candidates: Candidates) -> str | None:
        """Return the name that the object's resource has, where it is still to have that name."""
        claim, base = candidates.claim, candidates.base
        mine = self.stored.by_identity.get(claim.identity, ())
        if len(mine) > 1:  # a copy of the labels has another name
            mine = sorted(mine, key=lambda one: one.name not in candidates)
        for one in mine:
            stays = (not candidates.is_set and base == (one.base or one.name)) or one.name in candidates
            if stays and (one.kind, one.parent) == (kind, claim.parent):
                return one.name
        return None

    def _free(self, kind: str, claim: Claim, name: str) -> bool:
        return (kind, claim.parent, name) not in self._used


def _having(stored: StoredName, by_base: Mapping[tuple[str, str], Sequence[Candidates]]) -> Iterator[Contender]:
    """Yield the objects with the own name that a resource has as a label, and that may have the resource's name."""
    for one in by_base.get((stored.parent, stored.base), ()):
        if stored.name in one:
            yield Contender(one.claim.identity, one.claim.number, one.claim.what, one.claim.item)


def _own_name(one: Contender) -> str:
    field = "slug" if one.what in _SLUGS else "prefix" if one.what == "prefix" else "name"
    return str(one.item.get(field) or (f"device-{one.number}" if one.what == "device" else ""))


def _place(item: Item) -> tuple[object, object]:
    """Return what tells objects of two parents apart, for those that were skipped before their parent was known."""
    site, panel = item.get("site"), item.get("power_panel")
    return (site.get("id") if isinstance(site, dict) else None, panel.get("id") if isinstance(panel, dict) else None)


def labels(item: Mapping[str, Any], rules: Labels, mark: tuple[str, str]) -> dict[str, str]:
    """Labels of an object: tags, custom fields and fields that the mapping names, and the marker."""
    found: dict[str, str] = {}
    for part, key in rules.fields.items():
        value = item.get(part)
        if isinstance(value, dict):
            value = value.get("slug", value.get("value"))
        if value:
            found[key] = label_value(value)
    custom = item.get("custom_fields") or {}
    for name, key in rules.custom_fields.items():
        if custom.get(name) not in (None, ""):
            found[key] = label_value(custom[name])
    for tag in item.get("tags") or ():
        if (label := rules.tags.get(tag["slug"])) is not None:
            key, _, value = label.partition("=")
            found[key] = value
    return {**found, mark[0]: mark[1]}


def owned(rules: Labels, mark: tuple[str, str]) -> frozenset[str]:
    """Return the keys of labels that the sync writes and removes, besides those of identities. It changes no others."""
    tags = (label.partition("=")[0] for label in rules.tags.values())
    return frozenset({mark[0], *tags, *rules.custom_fields.values(), *rules.fields.values()})


def label_value(value: Any) -> str:
    """Return a value as that of a label: characters that are not allowed become ``-``."""
    if isinstance(value, dict):
        value = value.get("value", value.get("name", ""))
    word = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return _NO_VALUE.sub("-", romanized(word))[:63].strip("-_.")


def by_id(items: Iterable[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """Return objects by their id."""
    return {int(item["id"]): item for item in items}


def one_line(value: Any, length: int = 1024) -> str:
    """Return a text of NetBox that identifies nothing, without what a text must not have."""
    words = "".join(each if each.isprintable() else " " for each in str(value or ""))
    return " ".join(words.split())[:length]
