"""Topologies drawn in text, and read from it: the drawing is the input, so that it cannot lie. ::

    datacenter                  | tokyo                   |
    power                       | A           | B         |
    rack                        | r1    | r2  | r3        |
    node                        | a b   | c d | e   f     |
    free                        | 1 1   | 1 2 | 2:2 1     |
    is                          |       |     |     down  |
    stands                      |   web |     |           |
    apart hard rack, 3          | 0     | 1   | 1         | 1 refused
    together hard rack in r3, 5 | 0           | 4         | 1 refused

Bars end domains; what stands in a column belongs to the node above it. ``-`` or nothing: no domain. Rows:

- an axis, or any other single word: a label, and its value for the nodes below it;
- ``node``: names, in the order of the drawing;
- ``free``: how many resources of one vcpu each node takes, ``2:2`` in two NUMA cells; ``pinned`` and ``huge``: cpus
  that are given one by one, and huge pages for so many; ``used``: how many are taken already;
- ``is``: cordoned, draining or down; ``stands``: services with a resource there, one a word, ``web+web`` for two;
- an outcome: a rule (several joined by ``and``; ``no rule``), how many are asked for, and how many each part gets.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from controller.model.node import Capacity
from controller.model.schedule_policy import AXES, SchedulePolicy
from controller.schedule import CellFacts, NodeFacts, Placed, Refused, Request, Snapshot, place

ONE = Capacity(vcpus=1, memory_mib=256, disk_gib=1)
SIZES = {"memory_mib": 1 << 20, "disk_gib": 9999, "disk_iops": 9999, "disk_mibps": 9999, "network_mbps": 9999}
_RULE = re.compile(r"(apart|together) (hard|soft) (\S+?)(?: in (\S+))?")
_PER_NODE = ("free", "pinned", "huge", "used", "is", "stands")
_STATES: dict[str, dict[str, Any]] = {
    "": {},
    "cordoned": {"schedulable": False},
    "draining": {"draining": True, "schedulable": False},
    "down": {"state": "Down"},
}


@dataclass(frozen=True)
class Outcome:
    """What the drawing says of so many resources under some rules."""

    title: str
    rules: tuple[dict[str, Any], ...]
    count: int
    parts: tuple[tuple[frozenset[str], int], ...]
    """Nodes, and how many of the resources come to them."""
    refused: int


@dataclass
class Drawing:
    """What was read."""

    nodes: list[NodeFacts] = field(default_factory=list)
    standing: list[tuple[str, str]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def snapshot(self) -> Snapshot:
        """A snapshot of it as it is drawn."""
        return Snapshot(self.nodes, self.standing)

    def place(self, count: int, *rules: str, service: str = "web", need: Capacity = ONE, **fields: Any) -> Placement:
        """Place so many on it under rules in words, or under a policy's ``fields``."""
        policy = SchedulePolicy.model_validate({"rules": [rule(text) for text in rules], **fields.pop("policy", {})})
        requests = [Request(f"{service}-{index}", service, index, need, "", policy, **fields) for index in range(count)]
        return Placement(self, place(self.snapshot(), requests))

    def domain(self, axis: str, name: str) -> str | None:
        """Where a node was drawn."""
        found = next(node for node in self.nodes if node.name == name)
        return name if axis == "node" else found.zones.get(axis) if axis in AXES else found.labels.get(axis)


@dataclass
class Placement:
    """Where resources went, in index order."""

    drawing: Drawing
    answers: list[Placed | Refused]

    @property
    def nodes(self) -> list[str]:
        return [answer.node for answer in self.answers if isinstance(answer, Placed)]

    @property
    def refused(self) -> list[Refused]:
        return [answer for answer in self.answers if isinstance(answer, Refused)]

    def by(self, axis: str) -> list[str | None]:
        """The domain of each that was placed, in index order."""
        return [self.drawing.domain(axis, name) for name in self.nodes]

    def counts(self, axis: str) -> Mapping[str | None, int]:
        """How many in each domain."""
        return Counter(self.by(axis))


def rule(text: str) -> dict[str, Any]:
    """``apart hard rack``, ``together soft power in A``"""
    found = _RULE.fullmatch(text.strip())
    assert found, f"no rule: {text!r}"
    mode, strength, axis, value = found.groups()
    mode = "AntiAffinity" if mode == "apart" else "Affinity"
    return {"axis": axis, "mode": mode, "hard": strength == "hard", "value": value}


def read(text: str) -> Drawing:
    """Read a drawing; what is not drawn in it (a title, words) has no bar in its line."""
    lines = [line for line in text.splitlines() if "|" in line]
    rows = {line.split("|")[0].strip(): line for line in lines}
    assert len(rows) == len(lines), "two rows of one name"
    names = [(found.group(), found.start()) for found in re.finditer(r"[^\s|]+", _behind(rows["node"]))]
    spans = {title: _spans(line) for title, line in rows.items() if " " not in title and title not in _PER_NODE}
    columns = {title: _columns(rows[title], names) for title in _PER_NODE if title in rows}
    drawing = Drawing()
    for name, at in names:
        domains = {title: _at(parts, at) for title, parts in spans.items() if title != "node"}
        said = {title: column.get(name, "") for title, column in columns.items()}
        drawing.nodes.append(_node(name, {title: value for title, value in domains.items() if value}, said))
        drawing.standing += [(service, name) for service in said.get("stands", "").split("+") if service]
    drawing.outcomes = [_outcome(title, line, names) for title, line in rows.items() if " " in title]
    return drawing


def _behind(line: str) -> str:
    """The line without its title: columns count from the first bar."""
    return line[line.index("|") :]


def _spans(line: str) -> list[tuple[int, int, str]]:
    line = _behind(line)
    bars = [at for at, char in enumerate(line) if char == "|"]
    return [(start, end, line[start + 1 : end].strip(" -")) for start, end in pairwise(bars)]


def _at(parts: Iterable[tuple[int, int, str]], at: int) -> str:
    found = [text for start, end, text in parts if start < at < end]
    assert len(found) == 1, f"column {at} is in no domain, or in several"
    return found[0]


def _columns(line: str, names: list[tuple[str, int]]) -> dict[str, str]:
    said = {}
    for found in re.finditer(r"[^\s|]+", _behind(line)):
        owner = [name for name, at in names if at <= found.start()]
        assert owner, f"{found.group()} is under no node"
        assert owner[-1] not in said, f"two words under {owner[-1]}: the columns are not straight"
        said[owner[-1]] = found.group()
    return said


def _node(name: str, domains: dict[str, str], said: dict[str, str]) -> NodeFacts:
    free = [int(part) for part in said.get("free", "9").split(":")]
    pinned = [int(part) for part in said.get("pinned", "0").split(":")]
    huge = [int(part) for part in said.get("huge", "0").split(":")]
    used = int(said.get("used") or 0)
    cells = []
    if len(free) > 1 or any(pinned):
        for number, slots in enumerate(free):
            cpus = tuple(range(100 * number, 100 * number + _part(pinned, number)))
            size = Capacity(
                vcpus=slots,
                pinned_cpus=len(cpus),
                memory_mib=SIZES["memory_mib"] // len(free),
                hugepages_mib=256 * _part(huge, number),
            )
            taken = Capacity(vcpus=used if number == 0 else 0)
            cells.append(CellFacts(number, size, taken, cpus, cpus))
    total = Capacity(
        **SIZES, vcpus=sum(free) + (0 if cells else used), pinned_cpus=sum(pinned), hugepages_mib=256 * sum(huge)
    )
    return NodeFacts(
        name,
        total,
        Capacity(vcpus=used),
        labels={title: value for title, value in domains.items() if title not in AXES},
        zones={title: value for title, value in domains.items() if title in AXES} | {"node": name},
        cells=tuple(cells),
        **_STATES[said.get("is", "")],
    )


def _part(parts: list[int], number: int) -> int:
    return parts[number] if number < len(parts) else 0


def _outcome(title: str, line: str, names: list[tuple[str, int]]) -> Outcome:
    words, count = title.rsplit(",", 1)
    rules = () if words == "no rule" else tuple(rule(each) for each in words.split(" and "))
    parts = []
    for start, end, text in _spans(line):
        inside = frozenset(name for name, at in names if start < at < end)
        parts.append((inside, int(text or 0)))
    seen = [name for inside, _ in parts for name in inside]
    assert sorted(seen) == sorted(name for name, _ in names), f"{title}: not every node is in one part"
    tail = line.rsplit("|", 1)[1].strip()
    refused = int(tail.removesuffix(" refused")) if tail else 0
    assert sum(number for _, number in parts) + refused == int(count), f"{title}: the drawing does not add up"
    return Outcome(title, rules, int(count), tuple(parts), refused)


def agree(drawing: Drawing, outcome: Outcome) -> None:
    """Place what an outcome asks for; it comes out as drawn."""
    found = Placement(
        drawing,
        place(
            drawing.snapshot(),
            [
                Request(f"web-{index}", "web", index, ONE, "", SchedulePolicy.model_validate({"rules": outcome.rules}))
                for index in range(outcome.count)
            ],
        ),
    )
    said = [(sorted(inside), sum(name in inside for name in found.nodes)) for inside, _ in outcome.parts]
    assert said == [(sorted(inside), number) for inside, number in outcome.parts], outcome.title
    assert len(found.refused) == outcome.refused, outcome.title
