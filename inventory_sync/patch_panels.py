"""The far end of a cable, through patch panels.

Pure. A front port leads to a rear port of its panel, and a rear port to a front port. Where one of the two has several
positions (a trunk), the position is kept until the next panel splits the trunk. A trunk that is split without having
been joined leads to the ends of all its strands. The profile of a cable states which ends of its two sides belong
together; without a profile, each end of one side belongs to each end of the other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from inventory_sync.netbox_reader import Item

Port = tuple[str, int]
"""Object type and id."""
PANEL = frozenset({"dcim.frontport", "dcim.rearport"})
_TRUNK = re.compile(r"trunk-\d+c\d+p")
MOST_PAIRS = 4096
"""Of one cable's ends: each end of one side with each of the other, where no profile says more."""
_ONE = re.compile(r"single-1c\d+p|breakout-1c\d+p-\d+c1p")


class PatchPanels:
    """The ports of all panels, and the cables in them."""

    def __init__(self, front_ports: Iterable[Item], rear_ports: Iterable[Item], cables: Iterable[Item]) -> None:
        self._positions: dict[Port, int] = {}
        self._inside: dict[tuple[Port, int], tuple[Port, int]] = {}
        self._far: dict[Port, list[Item]] = defaultdict(list)
        for rear in rear_ports:
            self._positions["dcim.rearport", int(rear["id"])] = int(rear.get("positions") or 1)
        for front in front_ports:
            with suppress(KeyError, TypeError, ValueError):  # such a port leads nowhere
                port = ("dcim.frontport", int(front["id"]))
                self._positions[port] = int(front.get("positions") or 1)
                for position, there in _mapped(front):
                    self._inside[port, position] = there
                    self._inside[there] = (port, position)
        for cable in cables:
            with suppress(KeyError, TypeError, ValueError):  # cabling reports it
                if not any(end["object_type"] in PANEL for end in (*cable["a_terminations"], *cable["b_terminations"])):
                    continue
                for a, b in pairs(cable):
                    for near, far in ((a, b), (b, a)):
                        if near["object_type"] in PANEL:
                            self._far[port_of(near)].append(far)

    def ends(self, panel: Item) -> list[Item]:
        """Return the ends of all paths that begin at a panel's port."""
        found: list[Item] = []
        waiting: list[tuple[Item, tuple[int, ...]]] = [(panel, ())]
        seen: set[tuple[Port, tuple[int, ...]]] = set()
        while waiting:
            at, trunks = waiting.pop()
            port = port_of(at)
            if (port, trunks) in seen:
                continue
            seen.add((port, trunks))
            if at["object_type"] not in PANEL:
                found.append(at)
                continue
            strands: Iterable[int] = (1,)
            if (count := self._positions.get(port, 1)) > 1:
                strands, trunks = ((trunks[-1],), trunks[:-1]) if trunks else (range(1, count + 1), ())
            for strand in strands:
                if (inside := self._inside.get((port, strand))) is not None:
                    out, number = inside
                    more = (number,) if self._positions.get(out, 1) > 1 else ()
                    waiting += [(far, (*trunks, *more)) for far in self._far.get(out, ())]
        return found


def pairs(cable: Item) -> Iterator[tuple[Item, Item]]:
    """Return the ends of a cable that belong together; none where its profile is unknown here, or it is too wide."""
    a_ends, b_ends = cable["a_terminations"], cable["b_terminations"]
    if is_too_wide(cable):
        return
    given = cable.get("profile")
    profile = str((given.get("value") if isinstance(given, dict) else given) or "")
    if profile and max(len(a_ends), len(b_ends)) > 1:
        if _TRUNK.fullmatch(profile):
            yield from zip(a_ends, b_ends, strict=False)
            return
        if not _ONE.fullmatch(profile) or any(end["object_type"] in PANEL for end in (*a_ends, *b_ends)):
            return
    for a in a_ends:
        for b in b_ends:
            yield a, b


def is_too_wide(cable: Item) -> bool:
    """Return whether a cable has more pairs of ends than any cable is made with."""
    return len(cable["a_terminations"]) * len(cable["b_terminations"]) > MOST_PAIRS


def port_of(end: Item) -> Port:
    """Return the port that a cable ends at."""
    return end["object_type"], int(end["object_id"])


def _mapped(front: Item) -> Iterator[tuple[int, tuple[Port, int]]]:
    """Positions of a front port with the rear port and position behind each; before NetBox 4.5 there is one."""
    if "rear_ports" in front:
        for one in front["rear_ports"] or ():
            rear = ("dcim.rearport", int(_id(one["rear_port"])))
            yield int(one.get("position") or 1), (rear, int(one.get("rear_port_position") or 1))
    elif front.get("rear_port"):
        yield 1, (("dcim.rearport", int(_id(front["rear_port"]))), int(front.get("rear_port_position") or 1))


def _id(value: Any) -> int:
    return int(value["id"] if isinstance(value, dict) else value)
