"""Cables and power cords: a port, an inlet or an outlet takes one of them, and no device powers itself.

Arms of a breakout cable or of a splitter (``split``) share the end that they leave. A cable that both of its devices
name is one cable. An end without a name is not checked.

Checked for a whole batch at once, as the batch leaves the links, so that devices can exchange outlets in it. Only links
that the batch adds are refused. The stored links at the same devices are read with two queries: those of the devices
that name one of them, and their own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.model.physical_resource import PHYSICAL_RESOURCE, NetworkLink, PhysicalResource, PowerLink
from controller.model.registry import Key, key_of
from controller.root.writes.immutability_rules import Refusal, conflict, invalid
from controller.root.writes.port_claims import Change
from controller.store import resources
from controller.store.database import Transaction

Place = tuple[Key, str, str]
"""Device, what the end is (port, inlet or outlet), and its name."""


@dataclass(frozen=True)
class _Link:
    """A link of a device."""

    device: Key[PhysicalResource]
    path: str
    link: NetworkLink | PowerLink
    is_new: bool = False

    @property
    def other(self) -> Key[PhysicalResource]:
        """The device at the other end."""
        name = self.link.peer if isinstance(self.link, NetworkLink) else self.link.source
        return PHYSICAL_RESOURCE.key(*self.device.names[:-1], name)

    def ends(self) -> Iterator[tuple[Place, str]]:
        """Yield the named ends, each with the path of its field."""
        if isinstance(self.link, NetworkLink):
            yield (self.device, "port", self.link.port), f"{self.path}.port"
            if self.link.peer_port:
                yield (self.other, "port", self.link.peer_port), f"{self.path}.peer_port"
        else:
            yield (self.device, "inlet", self.link.inlet), f"{self.path}.inlet"
            if self.link.outlet:
                yield (self.other, "outlet", self.link.outlet), f"{self.path}.outlet"

    def shares_with(self, other: _Link) -> bool:
        """Return whether both may have the same end."""
        return (self.link.split and other.link.split) or self._mirrors(other)

    def _mirrors(self, other: _Link) -> bool:
        """Return whether the other device names the same cable."""
        mine, its = self.link, other.link
        if not isinstance(mine, NetworkLink) or not isinstance(its, NetworkLink) or self.device == other.device:
            return False
        facing = self.other == other.device and other.other == self.device
        return facing and mine.peer_port in ("", its.port) and its.peer_port in ("", mine.port)


def refusals(tx: Transaction, changes: Sequence[Change]) -> list[tuple[int, Refusal]]:
    """Return, by step, the new links to an end that has one already, and those of a device to itself."""
    index: dict[Key, int] = {}
    links: list[_Link] = []
    for step, before, after in changes:
        if isinstance(after, PhysicalResource):
            index[key_of(after)] = step
            links.extend(_links(after, before if isinstance(before, PhysicalResource) else None))
    new = [link for link in links if link.is_new]
    if not new:
        return []
    at = {device for link in new for device in (link.device, link.other)}
    stored = {key_of(one): one for one in resources.list_referring(tx, PHYSICAL_RESOURCE, at)}
    stored |= resources.get_many(tx, at - index.keys())  # their own ports are taken by their own links
    for key in sorted(stored.keys() - index.keys(), key=str):
        links.extend(_links(stored[key], stored[key]))
    taken: dict[Place, list[_Link]] = defaultdict(list)
    for link in links:
        if not link.is_new:
            for place, _ in link.ends():
                taken[place].append(link)
    return [(index[link.device], refusal) for link in new for refusal in _refused(link, taken)]


def _refused(link: _Link, taken: dict[Place, list[_Link]]) -> Iterator[Refusal]:
    """Yield what is wrong with a new link, and add it to the links that the others are checked against."""
    if link.device == link.other and isinstance(link.link, PowerLink):
        yield invalid(f"{link.path}.source", f"{link.device} cannot power itself")
        return
    ends = list(link.ends())
    if len({place for place, _ in ends}) < len(ends):
        yield invalid(
            f"{link.path}.peer_port", f"{ends[0][0][1]} {ends[0][0][2]} of {link.device} cannot be cabled to itself"
        )
        return
    for place, path in ends:
        other = next((one for one in taken[place] if not link.shares_with(one)), None)
        if other is not None:
            message = f"{place[1]} {place[2]} of {place[0]} is taken by a link of {other.device}"
            if other.is_new or other.device == link.device:
                yield invalid(path, message)
            else:
                yield conflict(path, message, [str(other.device)])
        taken[place].append(link)


def _links(device: PhysicalResource, before: PhysicalResource | None) -> Iterator[_Link]:
    """Yield the links of a device; those that it did not have before are new."""
    key = key_of(device)
    had = Counter(link.model_dump_json() for link in _of(before)) if before is not device else None
    both: tuple[tuple[str, Sequence[NetworkLink | PowerLink]], ...] = (
        ("network_links", device.spec.network_links),
        ("power_links", device.spec.power_links),
    )
    for name, links in both:
        for number, link in enumerate(links):
            is_new = False
            if had is not None:
                text = link.model_dump_json()
                is_new = had[text] <= 0
                had[text] -= 1
            yield _Link(key, f"spec.{name}[{number}]", link, is_new)


def _of(device: PhysicalResource | None) -> Sequence[NetworkLink | PowerLink]:
    return () if device is None else (*device.spec.network_links, *device.spec.power_links)
