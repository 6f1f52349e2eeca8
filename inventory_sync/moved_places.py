"""Units of racks, outlets and ports that NetBox gives to another device now: who had them gives them up.

Pure. A renamed device is a new device, and takes the units and cables of the old one. Two devices may have exchanged
theirs. A rack that becomes lower, or a model that becomes larger, leaves no room for a device. The rules are those of
the server (``controller.root.writes.rack_space`` and ``cabling``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from controller.model.physical_resource import Face
from inventory_sync.locations import Document

Place = tuple[object, ...]
Owner = tuple[str, str]
"""Datacenter and name of a device."""
Sizes = Mapping[str, tuple[float, bool]]
"""Height and depth by model."""


class _Taker(NamedTuple):
    """A device that takes a place: with a unit, or with an end of a link."""

    owner: Owner
    split: bool = False
    near: Place = ()
    far: Place = ()
    """The ends of the link, which another device may name too if it is a network link."""

    def excludes(self, other: _Taker) -> bool:
        """Return whether the two cannot have the place both."""
        return self.owner != other.owner and not (self.split and other.split) and not self._mirrors(other)

    def _mirrors(self, other: _Taker) -> bool:
        """Return whether both name the same cable."""
        return bool(self.far and other.far) and _same(self.far, other.near) and _same(other.far, self.near)


class MovedPlaces:
    """What the wanted devices take, to compare others with."""

    def __init__(self, stored: Iterable[Document], wanted: Iterable[Document]) -> None:
        stored, wanted = list(stored), list(wanted)
        self._old = _sizes(stored)
        self._new = self._old | _sizes(wanted)
        self._old_heights = _heights(stored)
        self._heights = self._old_heights | _heights(wanted)
        self._takers: dict[Place, set[_Taker]] = defaultdict(set)
        for one in wanted:
            if one["kind"] == "PhysicalResource":
                for slot in _slots(one, self._new):
                    self._takers[slot].add(_Taker(_owner(one)))
                for _, _, ends, taker in _links(one):
                    for end in ends:
                        self._takers[end].add(taker)
        known = {_owner(one) for one in wanted if one["kind"] == "PhysicalResource"}
        self._unwanted: dict[Place, set[_Taker]] = defaultdict(set)
        for one in stored:
            if one["kind"] == "PhysicalResource" and _owner(one) not in known:
                for slot in _slots(one, self._old):
                    self._unwanted[slot].add(_Taker(_owner(one)))

    def kept(self, one: Document) -> dict[str, Any]:
        """Return the fields of a stored device's spec that change so that it has nothing another takes."""
        if one["kind"] != "PhysicalResource":
            return {}
        changed: dict[str, Any] = {}
        if self._exceeds(one) or self._lacks_room(one):
            changed["position"] = None
        for field, index, ends, taker in _links(one):
            if any(_is_taken(self._takers, end, taker) for end in ends):
                links = changed.setdefault(field, list(one["spec"][field]))
                links[index] = None
        return {
            field: [link for link in value if link is not None] if isinstance(value, list) else value
            for field, value in changed.items()
        }

    def takers(self, one: Document) -> set[tuple[str, Owner]]:
        """Return the kinds and owners of what takes places of a stored device: what it must give up is theirs."""
        if one["kind"] != "PhysicalResource":
            return set()
        taker = _Taker(_owner(one))
        slots = [(slot, taker) for slot in {*_slots(one, self._old), *_slots(one, self._new)}]
        ends = [(end, near) for _, _, ends, near in _links(one) for end in ends]
        found = {
            ("PhysicalResource", other.owner)
            for place, mine in (*slots, *ends)
            for other in self._takers.get(place, ())
            if mine.excludes(other)
        }
        if self._exceeds(one) or (not found and self._lacks_room(one)):  # its rack became lower, or its model larger
            found |= {("Rack", (str(one["datacenter"]), str(one["spec"]["rack"])))}
            found |= {("PhysicalModel", ("", str(one["spec"].get("model"))))}
        return found

    def _lacks_room(self, one: Document) -> bool:
        """Return whether a wanted device takes a unit, or the device would grow into another unwanted one."""
        taker = _Taker(_owner(one))
        old, new = set(_slots(one, self._old)), set(_slots(one, self._new))
        return any(_is_taken(self._takers, slot, taker) for slot in old | new) or any(
            _is_taken(self._unwanted, slot, taker) for slot in new - old
        )

    def _exceeds(self, one: Document) -> bool:
        """Return whether the device was inside its rack, and is higher than its top with the new heights."""
        rack = str(one["datacenter"]), str(one["spec"].get("rack"))
        if one["spec"].get("position") is None or rack not in self._heights:
            return False
        high = self._heights[rack]
        before = max(high, self._old_heights.get(rack, high))
        return _top(one, self._new) > (high + 1) * 2 and _top(one, self._old) <= (before + 1) * 2


def _is_taken(takers: Mapping[Place, set[_Taker]], place: Place, taker: _Taker) -> bool:
    return any(taker.excludes(other) for other in takers.get(place, ()))


def _owner(one: Document) -> Owner:
    return str(one["datacenter"]), str(one["name"])


def _sizes(documents: Iterable[Document]) -> dict[str, tuple[float, bool]]:
    return {
        one["name"]: (one["spec"].get("height_units", 1), one["spec"].get("full_depth", True))
        for one in documents
        if one["kind"] == "PhysicalModel"
    }


def _heights(documents: Iterable[Document]) -> dict[Owner, int]:
    return {_owner(one): one["spec"].get("height_units", 42) for one in documents if one["kind"] == "Rack"}


def _size(one: Document, sizes: Sizes) -> tuple[float, bool]:
    return sizes.get(one["spec"].get("model") or "", (1, True))


def _top(one: Document, sizes: Sizes) -> int:
    """Return the half unit above the device; one of height 0 must be inside its rack too."""
    return int(one["spec"]["position"] * 2) + max(1, int(_size(one, sizes)[0] * 2))


def _slots(one: Document, sizes: Sizes) -> Iterator[Place]:
    spec = one["spec"]
    if spec.get("rack") is None or spec.get("position") is None:
        return
    height, full_depth = _size(one, sizes)
    first = int(spec["position"] * 2)
    for face in Face if full_depth else (spec.get("face") or Face.FRONT,):
        for half in range(first, first + int(height * 2)):
            yield one["datacenter"], spec["rack"], str(face), half


def _links(one: Document) -> Iterator[tuple[str, int, list[Place], _Taker]]:
    """Yield each link by field and index, with the ends that another device can name, and what takes them."""
    owner = where, name = _owner(one)
    for index, link in enumerate(one["spec"].get("network_links") or ()):
        near, far = (where, name, "port", link["port"]), (where, link["peer"], "port", link.get("peer_port") or "")
        taker = _Taker(owner, bool(link.get("split")), near, far)
        yield "network_links", index, [near, far] if far[-1] else [near], taker
    for index, link in enumerate(one["spec"].get("power_links") or ()):
        if link.get("outlet"):
            taker = _Taker(owner, bool(link.get("split")))
            yield "power_links", index, [(where, link["source"], "outlet", link["outlet"])], taker


def _same(far: Place, near: Place) -> bool:
    """Return whether the far end of a link is that port; a far end without a name is any port of its device."""
    return far[:-1] == near[:-1] and far[-1] in ("", near[-1])
