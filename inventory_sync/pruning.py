"""Documents without those that cannot be written, and without what would refer to them.

Pure. A document that refers to a skipped one goes too, with the reason, unless the inventory has the skipped one from
an earlier pull. Of links only the link goes: a server without one of its cables is still a server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from controller.model import registry
from controller.model.registry import Key
from inventory_sync.locations import Document
from inventory_sync.mapping import ID_LABEL
from inventory_sync.skipping import Skipped

_LINKS = (("network_links", "peer"), ("power_links", "source"))
_REFERENCES = {"Rack": (("floor", "Floor"),), "PhysicalResource": (("floor", "Floor"), ("rack", "Rack"))}


@dataclass(frozen=True)
class Pruned:
    """What is left, and what was skipped."""

    documents: tuple[Document, ...]
    skipped: tuple[Skipped, ...]


def prune(documents: Iterable[Document], bad: Mapping[Key, str], exists: Callable[[Key], bool]) -> Pruned:
    """Return the documents without the bad ones, whose reasons are given, and without what depends on them.

    ``exists`` is whether the inventory has a resource now.
    """
    if not bad:
        return Pruned(tuple(documents), ())
    left = {key_of(one): one for one in documents}
    skipped: list[Skipped] = []
    missing: dict[Key, str] = {}
    waiting = {key: reason for key, reason in bad.items() if key in left}
    while waiting:
        for key, reason in waiting.items():
            skipped.append(_skipped(left.pop(key), reason))
            if not exists(key):
                missing[key] = f"its {key} is skipped"
        waiting = {}
        for key, one in left.items():
            for above in _named(one):
                if above in missing:
                    waiting.setdefault(key, missing[above])
    for key, one in list(left.items()):
        lost = [(field, link, far) for field, link, far in _links(one) if far in missing]
        if lost:
            spec = dict(one["spec"])
            for field, _ in _LINKS:
                gone = [link for other, link, _ in lost if other == field]
                spec[field] = [link for link in spec.get(field) or () if link not in gone]
            left[key] = {**one, "spec": spec}
            skipped += [
                Skipped("cable", 0, f"link of {key} at {link.get('port', link.get('inlet'))}", f"{far} is skipped")
                for _, link, far in lost
            ]
    return Pruned(tuple(left.values()), tuple(skipped))


def key_of(one: Document) -> Key:
    """Return the key of a document."""
    kind = registry.get(str(one["kind"]))
    return kind.key(*(str(one[field]) for field in (*kind.parents, "name")))


def rank(one: Document, stored: Collection[Key]) -> tuple[bool, int]:
    """Return which of two documents that exclude each other stays: what the inventory has, then the older object."""
    number = str(one["labels"].get(ID_LABEL, "")).rpartition("-")[2]
    return key_of(one) not in stored, int(number) if number.isdigit() else 0


def _skipped(one: Document, reason: str) -> Skipped:
    what, _, number = str(one["labels"].get(ID_LABEL, "")).rpartition("-")
    named = f"{what.replace('-', ' ')} " if what else ""
    where = f" (id {number})" if what else ""
    return Skipped(what or str(one["kind"]), int(number or 0), f"{named}{key_of(one)}{where}".strip(), reason)


def _named(one: Document) -> Iterator[Key]:
    """Yield what the document cannot be without."""
    if one["kind"] in ("Floor", "Rack", "PhysicalResource"):
        yield registry.get("Datacenter").key(one["datacenter"])
    for field, kind in _REFERENCES.get(one["kind"], ()):
        if one["spec"].get(field) is not None:
            yield registry.get(kind).key(one["datacenter"], one["spec"][field])
    if one["kind"] == "PhysicalResource" and one["spec"].get("model") is not None:
        yield registry.get("PhysicalModel").key(one["spec"]["model"])


def _links(one: Document) -> Iterator[tuple[str, Mapping[str, object], Key]]:
    if one["kind"] == "PhysicalResource":
        for field, end in _LINKS:
            for link in one["spec"].get(field) or ():
                yield field, link, registry.get("PhysicalResource").key(one["datacenter"], link[end])
