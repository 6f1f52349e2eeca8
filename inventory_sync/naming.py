"""Names and labels of the inventory from those of NetBox.

Pure. A name of NetBox is unique only in its location, tenant, panel, manufacturer or VRF, and one of the inventory is
unique in its datacenter. So an object has several candidates: its own name, its name with what it is in before it,
and its name with its id. ``NameRegistry`` assigns each object the first one that is free, older objects first.

A name that was assigned stays: the resource has the object's identity as a label, and its name is kept as long as the
object has the same name in NetBox, wherever it is moved and whatever is added beside it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.errors import Problem
from controller.model.names import MAX_NAME, NAME_PATTERN
from controller.model.plain_text import unsafe
from inventory_sync.mapping import ID_LABEL, Labels, Names
from inventory_sync.romanization import romanized
from inventory_sync.skipping import Skips, UnfitObjectError, identity
from inventory_sync.stored_names import Contender, NameKey, StoredName, StoredNames, owner

_NO_NAME = re.compile(r"[^a-z0-9]+")
_NO_VALUE = re.compile(r"[^A-Za-z0-9_.-]+")
_NAME = re.compile(NAME_PATTERN)
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

    @property
    def number(self) -> int:
        return int(self.item["id"])

    @property
    def identity(self) -> str:
        return identity(self.what, self.number)

    def paths(self) -> Iterator[str]:
        """Yield the keys that an override can have for this object, the longest first."""
        yield f"{ID_LABEL}={self.identity}"
        for words in sorted(self.within, key=len, reverse=True):
            yield "/".join((*words, self.given))


class NameRegistry:
    """Assigns names by kind and parent."""

    def __init__(
        self, rules: Names, skips: Skips, stored: StoredNames | None = None, present: Iterable[str] = ()
    ) -> None:
        """``present`` are the identities of everything that NetBox has, in the pull or not."""
        self._rules, self._skips = rules, skips
        self._templates: Mapping[str, str] = {str(what): template for what, template in rules.templates.items()}
        self.stored = stored or StoredNames()
        self.problems: list[Problem] = []
        """What is wrong with the mapping: it ends the pull."""
        self.short: dict[str, str] = {}
        """By identity, the object's own name where the resource has another."""
        self._present = frozenset(present) & self.stored.by_identity.keys()
        self._used: dict[NameKey, str] = {}
        self._found: dict[str, StoredName] = {}
        """Resources without an identity, by that of the object that they were made of."""

    def assign(self, kind: str, claims: Iterable[Claim]) -> dict[str, str]:
        """Return names by identity; an object that cannot have one is skipped, but keeps the name that it has."""
        fit: list[tuple[Claim, Sequence[str]]] = []
        unfit: list[Claim] = []
        names: dict[str, str] = {}
        for claim in sorted(claims, key=lambda one: (one.number, one.what)):
            with self._skips.guard(claim.what, claim.item):
                fit.append((claim, self._candidates(claim)))
                continue
            unfit.append(claim)
        self._keep(kind, {claim.parent for claim, _ in fit}, {claim.identity for claim, _ in fit})
        known = {claim.identity: self._known(kind, claim, candidates) for claim, candidates in fit}
        places: dict[str, set[tuple[object, object]]] = defaultdict(set)
        for claim in (*unfit, *(claim for claim, _ in fit)):
            places[claim.parent].add(_place(claim.item))
        known |= self._without_identity(kind, [one for one in fit if known[one[0].identity] is None], places)
        for claim in unfit:
            if (stored := self.stored_of(claim.identity, kind, claim.parent)) is not None:
                names[claim.identity] = stored.name
        for claim, candidates in sorted(fit, key=lambda one: known[one[0].identity] is None):
            mine = known[claim.identity]
            name = mine or next((one for one in candidates if self._free(kind, claim, one)), None)
            if name is None:  # even the one with its id is taken, by an override or by hand
                self._skips.add(claim.what, claim.item, f"every name for it is taken ({', '.join(candidates)})")
                continue
            self._used[kind, claim.parent, name] = claim.identity
            names[claim.identity] = name
            if name != (base := translate(claim.given, self._rules)) and _NAME.match(base):
                self.short[claim.identity] = base
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
        self, kind: str, fit: Sequence[tuple[Claim, Sequence[str]]], places: Mapping[str, Collection[object]]
    ) -> dict[str, str]:
        """Return the names of resources without an identity, by that of the object that each was made of.

        The others of them are reserved: whose they are is not known.
        """
        contenders: dict[NameKey, list[Contender]] = defaultdict(list)
        for claim, candidates in fit:
            old = "" if claim.identity in self.stored.by_identity else earlier(claim.given, self._rules)
            name, is_set = (candidates[0], candidates[0] != old) if self._is_set(claim) else (old, False)
            if name and not (is_set and not self._has_override(claim)):
                one = Contender(claim.identity, claim.number, claim.what, claim.item, is_set)
                contenders[kind, claim.parent, name].append(one)
        mine = {claim.identity for claim, _ in fit}
        skipped: dict[str, list[Contender]] = defaultdict(list)
        for one in self._skipped(kind):
            if one.identity not in mine:
                skipped[earlier(_own_name(one), self._rules)].append(one)
        names: dict[str, str] = {}
        for key, stored in self.stored.unlabelled.items():
            if key[0] != kind:
                continue
            self._used.setdefault(key, "")
            near = places.get(stored.parent, ())
            others = [one for one in skipped.get(stored.name, ()) if _place(one.item) in near]
            found = owner(stored, [*contenders[key], *others])
            if found is not None and found.identity not in self._found:
                self._found[found.identity] = stored
                if found.identity in mine:
                    names[found.identity] = stored.name
        return names

    def _skipped(self, kind: str) -> Iterator[Contender]:
        """Yield the skipped objects that could have become a resource of the kind."""
        for found, (what, item) in self._skips.items.items():
            if what in _TYPES[kind] and found not in self.stored.by_identity:
                yield Contender(found, int(item["id"]), what, item)

    def _candidates(self, claim: Claim) -> Sequence[str]:
        """Return the names that an object may have, the best first. Raises UnfitObjectError."""
        given = claim.given
        if not isinstance(given, str) or not given.strip():
            raise UnfitObjectError("has no name")
        if bad := unsafe(given, lines=False):
            raise UnfitObjectError(f"its name must not contain {bad}")
        for key in claim.paths():
            if key in self._rules.overrides:
                return [self._rules.overrides[key], *self._longer(claim, self._rules.overrides[key])]
        base = translate(given, self._rules)
        if not _NAME.match(base):
            message = f"{given!r} gives no valid name ({base!r}): lower-case letters, digits and -, {MAX_NAME} at most"
            raise UnfitObjectError(f"{message}; see names.overrides")
        first = base
        template = self._templates.get(claim.what)
        if template is not None and given not in self._rules.overrides:
            fields = {**claim.fields, "name": rewritten(given, self._rules), "id": str(claim.number)}
            first = _joined([re.sub(r"\{(\w+)\}", lambda match: f" {fields.get(match[1], '')} ", template)])
            if not _NAME.match(first):
                message = f"names.templates.{claim.what} gives no valid name ({first!r})"
                raise UnfitObjectError(f"{message}: lower-case letters, digits and -, {MAX_NAME} at most")
        return [first, *self._longer(claim, base)]

    def _longer(self, claim: Claim, base: str) -> list[str]:
        tail = f"-{claim.number}"
        longer = [_joined([*(rewritten(word, self._rules) for word in words), base]) for words in claim.within]
        return [*(one for one in longer if _NAME.match(one)), base[: MAX_NAME - len(tail)].rstrip("-") + tail]

    def _known(self, kind: str, claim: Claim, candidates: Sequence[str]) -> str | None:
        """Return the name that the object's resource has, where it is still to have that name."""
        base = translate(claim.given, self._rules)
        is_set = self._is_set(claim)
        mine = self.stored.by_identity.get(claim.identity, ())
        for one in sorted(mine, key=lambda one: one.name not in candidates):  # a copy of the labels has another name
            stays = one.name in candidates or (not is_set and base == (one.base or one.name))
            if stays and (one.kind, one.parent) == (kind, claim.parent):
                return one.name
        return None

    def _is_set(self, claim: Claim) -> bool:
        """Return whether the mapping says what the name is."""
        return self._has_override(claim) or claim.what in self._templates

    def _has_override(self, claim: Claim) -> bool:
        return any(key in self._rules.overrides for key in (*claim.paths(), claim.given))

    def _free(self, kind: str, claim: Claim, name: str) -> bool:
        return (kind, claim.parent, name) not in self._used


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
