"""A policy's rules over the groups of nodes: what they forbid and what they prefer.

Hard anti-affinity forbids a second resource of the service in a domain. Hard affinity keeps all resources in one
domain: the one that is in use, else one that has room for the whole group. Hard rules forbid nodes without the axis;
soft rules take them last.

Soft rules, and then the spread over the axes that the policy does not name, order the groups. Each is a ``Field`` of
the cost of a group, the first the most significant. ``Packing`` puts the fields, and below them the cost of a group's
best node (``best_fit``), into one word of 64 bits (several where they do not fit), so that the lowest number is the
group to take. What one more resource changes in the costs of all groups is one addition, computed once for each group.

Spreading over single nodes is a field too, but a group has several nodes. In a group's cost it is the least count that
the best node has, and the search increases it when it finds a larger one.

Compiled once for each policy and snapshot. Nothing here depends on a service.

Design: J3-J5, J8, J11
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from controller.model.schedule_policy import RuleMode, SchedulePolicy, ScheduleRule
from controller.schedule.best_fit import FIT_BITS
from controller.schedule.inputs import Ints, Mask
from controller.schedule.node_groups import NodeGroups, join

if TYPE_CHECKING:
    from controller.schedule.snapshot import Snapshot

SPREAD = ("datacenter", "power", "network", "rack", "node")
"""Axes that services are spread over where the policy does not name them, in this order."""

WORD = 56
FORBIDDEN = 1 << (WORD + 1)
"""Cost of a group that must not be taken. Added once for each axis of hard anti-affinity at most."""
LIMIT = 1 << WORD
"""Every cost from here on is forbidden."""
_BEST = FIT_BITS
COMBINATIONS = 256
"""Most combinations of the domains of a policy's rules with which ``spread_plan`` works."""
_CACHED = 1 << 21
"""Numbers kept at most in the additions of one packing."""


@dataclass(frozen=True, slots=True)
class Field:
    """One preference. ``step`` is what one more resource adds in its domain; 0: fixed (``first``)."""

    axis: str
    codes: Ints | None
    """Domain of each group; None: the nodes themselves."""
    step: int
    named: bool = True
    """True for a rule: groups without the axis come last. Else no domain is a domain like others."""
    first: Ints | None = None
    rule: ScheduleRule | None = None


class Rules:
    """What a policy means on a snapshot."""

    def __init__(self, snapshot: Snapshot, policy: SchedulePolicy) -> None:
        self.policy = policy
        rules = policy.all_rules()
        own_nodes = not any("node" in node.zones and node.zones["node"] != node.name for node in snapshot.nodes)
        self._lazy = {"node"} if own_nodes else set()
        axes = {rule.axis for rule in rules if not self._by_node(rule)}
        axes.update(axis for axis in SPREAD if axis not in self._lazy)
        self.node_groups: NodeGroups = snapshot.node_groups(axes)
        hard = [rule for rule in rules if rule.hard]
        self.apart = list(dict.fromkeys(rule.axis for rule in hard if rule.mode is RuleMode.ANTI_AFFINITY))
        self.apart_groups = [axis for axis in self.apart if axis not in self._lazy]
        self.apart_nodes = len(self.apart_groups) < len(self.apart)
        self.together = [rule for rule in hard if rule.mode is RuleMode.AFFINITY]
        self.values = [snapshot.domains(rule.axis).code_of(rule.value or "") for rule in self.together]
        self.free_axes = [rule.axis for rule in self.together if rule.value is None]
        self.joined: Ints | None = None
        """Number of the combined domain of hard affinity for each group, where no value is named."""
        if self.free_axes:
            codes = join([self.node_groups.codes[axis] for axis in self.free_axes], self.node_groups.count)
            self.joined = np.unique(codes, return_inverse=True)[1].reshape(-1).astype(np.int64)
        self.fields = self._fields(snapshot, rules)
        self.node_field = next((at for at, field in enumerate(self.fields) if field.codes is None), None)
        self.gathers = [at for at, field in enumerate(self.fields) if field.step < 0]
        self.usable = self._filtered(snapshot)
        over = [field.codes for field in self.fields if field.named and field.step > 0 and field.codes is not None]
        self.crossed = _crossed(over) and self._combinations() <= COMBINATIONS
        """Soft rules spread over axes of which none divides the domains of the other: see ``spread_plan``."""
        self.spread: list[tuple[list[int], list[int]]] = [
            (codes.tolist(), sorted(set(codes.tolist()) - {-1})) for codes in over if self.crossed
        ]
        """The domain of each group, and all domains, for each such axis."""
        self.orders: dict[Hashable, list[int] | None] = {}
        """What ``spread_plan`` has found for the same room."""
        self.choices: dict[Hashable, tuple[Ints, bool]] = {}
        """What ``domain_choice`` has found for the same room."""
        self._packings: dict[int, Packing] = {}
        self._combined: dict[Hashable, tuple[Ints, int]] = {}
        self._crossings: dict[tuple[Hashable, str], tuple[Ints, Ints, Ints]] = {}

    @staticmethod
    def key(policy: SchedulePolicy) -> Hashable:
        """Policies with the same key have the same rules."""
        return (
            policy.node_filters,
            tuple(policy.node_label_filters.items()),
            policy.node_label_soft_anti_affinities,
            policy.node_label_soft_affinities,
            policy.node_label_hard_anti_affinities,
            policy.node_label_hard_affinities,
            tuple([(rule.axis, rule.mode, rule.hard, rule.value) for rule in policy.rules]),
        )

    def packing(self, resources: int) -> Packing:
        """Return the packing for at most that many resources of the service in a domain."""
        bits = 4
        while resources + 3 >= 1 << bits:
            bits += 4
        if bits not in self._packings:
            self._packings[bits] = Packing(self, bits)
        return self._packings[bits]

    def _combinations(self) -> int:
        axes = [field.codes for field in self.fields if field.named and field.codes is not None]
        axes += [self.node_groups.codes[axis] for axis in self.apart_groups]
        return len(np.unique(join(axes, self.node_groups.count)))

    def combined(self, key: Hashable, codes: Ints) -> tuple[Ints, int]:
        """Return the combination of domains of each group, of ``codes`` and of all soft rules, and their number."""
        if key not in self._combined:
            axes = [field.codes for field in self.fields if field.named and field.codes is not None]
            number = np.unique(join([codes, *axes], self.node_groups.count), return_inverse=True)[1].reshape(-1)
            self._combined[key] = number.astype(np.int64), int(number.max()) + 1
        return self._combined[key]

    def crossing(self, key: Hashable, codes: Ints, axis: str) -> tuple[Ints, Ints, Ints]:
        """Number of the pair of domains (of ``codes``, which ``key`` stands for, and of the axis) of each
        group, and for each pair the domain of ``codes`` and that of the axis."""
        if (key, axis) not in self._crossings:
            pairs = join([codes, self.node_groups.codes[axis]], self.node_groups.count)
            _, first, number = np.unique(pairs, return_index=True, return_inverse=True)
            domains = codes[first].clip(min=0), self.node_groups.codes[axis][first]
            self._crossings[key, axis] = number.reshape(-1).astype(np.int64), *domains
        return self._crossings[key, axis]

    def _by_node(self, rule: ScheduleRule) -> bool:
        return rule.axis in self._lazy and rule.mode is RuleMode.ANTI_AFFINITY

    def _fields(self, snapshot: Snapshot, rules: tuple[ScheduleRule, ...]) -> list[Field]:
        fields = []
        for rule in rules:
            if rule.hard:
                continue
            codes = None if self._by_node(rule) else self.node_groups.codes[rule.axis]
            if rule.mode is RuleMode.ANTI_AFFINITY:
                fields.append(Field(rule.axis, codes, 1, rule=rule))
            elif rule.value is None:
                fields.append(Field(rule.axis, codes, -1, rule=rule))
            else:
                assert codes is not None
                elsewhere = (codes != snapshot.domains(rule.axis).code_of(rule.value)).astype(np.int64)
                fields.append(Field(rule.axis, codes, 0, first=elsewhere, rule=rule))
        named = {rule.axis for rule in rules}
        for axis in SPREAD:
            if axis in named:
                continue
            if axis in self._lazy:
                fields.append(Field(axis, None, 1, named=False))
            elif len(snapshot.domains(axis).names) > 1:
                fields.append(Field(axis, self.node_groups.codes[axis], 1, named=False))
        return fields

    def _filtered(self, snapshot: Snapshot) -> Mask | None:
        policy = self.policy
        if not policy.node_filters and not policy.node_label_filters:
            return None
        usable: Mask = np.ones(len(snapshot), dtype=np.bool_)
        if policy.node_filters:
            usable[:] = False
            usable[[snapshot.index[name] for name in policy.node_filters if name in snapshot.index]] = True
        for label, value in policy.node_label_filters.items():
            usable &= snapshot.labelled(label, value)
        return usable


def _crossed(codes: Sequence[Ints]) -> bool:
    """Return whether two of the axes cross: nodes divide every axis, and a rack the power that feeds it."""
    for at, one in enumerate(codes):
        for other in codes[:at]:
            pairs = len(np.unique(np.stack([one, other]), axis=1).T)
            if pairs > max(len(np.unique(one)), len(np.unique(other))):
                return True
    return False


@dataclass(frozen=True, slots=True)
class BitPosition:
    """The position of a field: the word, and the bits to its right."""

    word: int
    shift: int


class Packing:
    """The costs of all groups as words, for counts of a given number of bits."""

    def __init__(self, rules: Rules, bits: int) -> None:
        self._rules = rules
        self.last = (1 << bits) - 1
        """The cost of groups without the axis of a rule."""
        self.positions: list[BitPosition]
        self.words: int
        self.positions, self.words, free = _positions([1 if field.step == 0 else bits for field in rules.fields])
        self.best = max(0, _BEST - free)
        """A group's best score is shifted right by so much, to fit below the fields of the last word."""
        self.base = self._base()
        self._additions: dict[int, list[Ints]] = {}
        self._keep = rules.node_groups.count * self.words

    def addition(self, group: int) -> list[Ints]:
        """Return what one more resource in the group adds to the words of all groups."""
        found = self._additions.get(group)
        if found is None:
            found = self._addition(group)
            if (len(self._additions) + 1) * self._keep <= _CACHED:
                self._additions[group] = found
        return found

    def _addition(self, group: int) -> list[Ints]:
        words = self._zeros()
        for field, at in zip(self._rules.fields, self.positions, strict=True):
            codes = field.codes
            if codes is not None and field.step and not (field.named and codes[group] < 0):
                words[at.word] += (codes == codes[group]).astype(np.int64) * (field.step << at.shift)
        apart = np.zeros(self._rules.node_groups.count, dtype=np.bool_)
        for axis in self._rules.apart_groups:
            codes = self._rules.node_groups.codes[axis]
            apart |= codes == codes[group]
        words[0] += apart.astype(np.int64) * FORBIDDEN  # once, whatever the number of axes: it must not overflow
        return words

    def _zeros(self) -> list[Ints]:
        return [np.zeros(self._rules.node_groups.count, dtype=np.int64) for _ in range(self.words)]

    def _base(self) -> list[Ints]:
        """Return the costs where the service has no resource."""
        rules, words = self._rules, self._zeros()
        for field, at in zip(rules.fields, self.positions, strict=True):
            if field.first is not None:
                words[at.word] += field.first << at.shift
            elif field.codes is not None and field.named:
                start = self.last - 1 if field.step < 0 else 0
                words[at.word] += np.where(field.codes < 0, self.last, start) << at.shift
        for rule, value in zip(rules.together, rules.values, strict=True):
            codes = rules.node_groups.codes[rule.axis]
            words[0][codes < 0 if rule.value is None else codes != value] = FORBIDDEN
        for axis in rules.apart_groups:
            words[0][rules.node_groups.codes[axis] < 0] = FORBIDDEN
        return words


def _positions(widths: list[int]) -> tuple[list[BitPosition], int, int]:
    """Return the positions of fields of those widths, the number of words, and the bits left for the best score."""
    words: list[list[int]] = [[]]
    for width in widths:
        if sum(words[-1]) + width > WORD:
            words.append([])
        words[-1].append(width)
    if sum(words[-1]) > WORD - _BEST // 2:
        words.append([])
    positions = []
    for number, mine in enumerate(words):
        free = min(_BEST, WORD - sum(mine)) if number == len(words) - 1 else 0
        positions += [BitPosition(number, free + sum(mine[at + 1 :])) for at in range(len(mine))]
    return positions, len(words), min(_BEST, WORD - sum(words[-1]))
