"""What a database would hold during the churn: nodes, services with their resources, and what each has reserved.

Each write is all of it or nothing, as in ``store.capacity``. A placement is judged before it is written: no node that
could have been taken would have been better.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from controller.model.flavor import MachineShare
from controller.model.node import Capacity, Share
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import (
    NodeFacts,
    Placed,
    Refused,
    Request,
    Snapshot,
    capacity_of,
    headroom,
    place,
    share_of_node,
)
from controller.schedule.inputs import columns
from controller.schedule.search import Search
from tests.python.unit.schedule.churn_fleet import POLICIES, fleet
from tests.python.unit.schedule.judge import Judge


@dataclass
class Member:
    """One resource of a service: placed when ``node`` is given."""

    request: Request
    node: str | None = None
    moving_to: str | None = None
    lost: bool = False
    """Its node was given up, and nothing is to make it again."""
    batch: int = 0

    @property
    def places(self) -> list[str]:
        return [name for name in (self.node, self.moving_to) if name]


@dataclass
class Service:
    """Resources by index, all alike."""

    name: str
    policy: SchedulePolicy
    need: Capacity
    share: MachineShare
    provider: str
    rebuild: bool
    judge: Judge
    members: dict[int, Member] = field(default_factory=dict)
    orderly: bool = True
    """Placed in the order of the indices, and nothing moved, lost or taken from the middle since."""
    slots: dict[str, int] | None = None
    """Room of each node before the first batch, where that decides alone how even it can be."""
    seen_as: object = None
    """What the last look at its rules saw."""

    def add(self, index: int) -> Member:
        key = f"{self.name}-{index}"
        request = Request(key, self.name, index, self.need, self.provider, self.policy, machine_share=self.share)
        made = self.members[index] = Member(request)
        return made

    @property
    def standing(self) -> list[Member]:
        return [member for _, member in sorted(self.members.items()) if member.node]


@dataclass
class Machine:
    """A node, and what is taken of it."""

    facts: NodeFacts
    up: bool = True
    schedulable: bool = True
    draining: bool = False
    taken: list[int] = field(default_factory=lambda: [0] * 8)
    cells: dict[int, list[int]] = field(default_factory=dict)
    cpus: dict[int, str] = field(default_factory=dict)

    def now(self) -> NodeFacts:
        cells = tuple(
            replace(
                cell,
                taken=capacity_of(self.cells.get(cell.number, [0] * 8)),
                free_cpus=tuple(cpu for cpu in cell.pinned_cpus if cpu not in self.cpus),
            )
            for cell in self.facts.cells
        )
        return replace(
            self.facts,
            taken=capacity_of(self.taken),
            cells=cells,
            state="Up" if self.up else "Down",
            schedulable=self.schedulable,
            draining=self.draining,
        )

    @property
    def is_open(self) -> bool:
        return self.up and self.schedulable and not self.draining


Taking = tuple[str, str, Share]
"""(node, key, share)"""


class Books:
    """What is reserved of which node for whom, and placement on top of it."""

    def __init__(self, seed: int, most: int) -> None:
        self.random = random.Random(seed)
        self.most = most
        self.nodes = {facts.name: Machine(facts) for facts in fleet()}
        self.facts = {name: machine.facts for name, machine in self.nodes.items()}
        self.services: dict[str, Service] = {}
        self.reserved: dict[tuple[str, str], Share] = {}
        self.made = 0
        self.batches = 0
        self.seen: Counter[str] = Counter()
        """How often each thing happened: a churn that never comes to the interesting places shows nothing."""
        self._judges: dict[int, tuple[SchedulePolicy, Judge]] = {}
        for number, fields in enumerate(POLICIES):
            policy = SchedulePolicy.model_validate(fields)
            self._judges[number] = policy, Judge(self.facts, policy)

    # --- books

    def commit(self, wanted: Iterable[Taking]) -> bool:
        """Take all of it, or nothing where something does not fit any more: the database's part."""
        wanted = list(wanted)
        for done, taking in enumerate(wanted):
            self._book(taking, 1)
            if self._over(taking[0]):
                for undone in wanted[: done + 1]:
                    self._book(undone, -1)
                return False
        return True

    def give_back(self, node: str, key: str) -> None:
        self._book((node, key, self.reserved[node, key]), -1)

    def _book(self, taking: Taking, sign: int) -> None:
        node, key, share = taking
        machine = self.nodes[node]
        machine.taken = [a + sign * b for a, b in zip(machine.taken, columns(share.size), strict=True)]
        for cell, part in share.cells.items():
            row = machine.cells.get(cell, [0] * 8)
            machine.cells[cell] = [a + sign * b for a, b in zip(row, columns(part), strict=True)]
        for cpu in share.cpus:
            if sign < 0:
                machine.cpus[cpu] = machine.cpus[cpu].replace(f" {key}", "", 1)
                if not machine.cpus[cpu]:
                    del machine.cpus[cpu]
            else:
                machine.cpus[cpu] = f"{machine.cpus.get(cpu, '')} {key}"
        if sign > 0:
            assert (node, key) not in self.reserved, f"{key} has something of {node} already"
            self.reserved[node, key] = share
        else:
            del self.reserved[node, key]

    def _over(self, node: str) -> str:
        """What of the node is given more than once; empty: nothing."""
        machine = self.nodes[node]
        if any(a > b for a, b in zip(machine.taken, columns(machine.facts.total), strict=True)):
            return f"{node} has {machine.facts.total}, taken {machine.taken}"
        for cell in machine.facts.cells if len(machine.facts.cells) > 1 else ():
            row = machine.cells.get(cell.number, [0] * 8)
            if any(a > b for a, b in zip(row, columns(cell.total), strict=True)):
                return f"cell {cell.number} of {node} has {cell.total}, taken {row}"
        for cpu, keys in machine.cpus.items():
            if " " in keys.strip():
                return f"cpu {cpu} of {node} is given to{keys}"
        return ""

    # --- placing

    def waiting(self, services: Iterable[Service]) -> list[Member]:
        """What is to be placed now; what must be with one that moves waits until that has arrived."""
        found = []
        for service in services:
            held_up = service.judge.gathers_hard and any(each.moving_to for each in service.members.values())
            if not held_up:
                found += [each for _, each in sorted(service.members.items()) if not each.node and not each.lost]
        return found

    def snapshot(self, services: Iterable[str]) -> Snapshot:
        standing = [
            (name, place)
            for name in services
            for member in self.services[name].members.values()
            for place in member.places
        ]
        return Snapshot((machine.now() for machine in self.nodes.values()), standing)

    def draw_up(self, members: Sequence[Member]) -> tuple[list[Placed | Refused], bool]:
        """One batch, judged; and whether the second look has placed otherwise than one after another would have."""
        names = {member.request.service for member in members}
        first: dict[str, str] = {}

        def note(request: Request, search: Search, at: int) -> None:
            first[request.key] = search.snapshot.nodes[search.rules.node_groups.nodes[at]].name

        answers = place(self.snapshot(names), [member.request for member in members], note)
        final = {each.request.key: each.node for each in answers if isinstance(each, Placed)}
        assert len(answers) == len(members)
        if first == final:
            self._judge(answers, self.snapshot(names))
        else:
            self.seen["second look"] += 1
            for answer in answers:
                if isinstance(answer, Placed) and first.get(answer.request.key) != answer.node:
                    service = self.services[answer.request.service]
                    hard = "; a hard rule" if service.judge.hard else ""
                    cells = "in cells" if answer.share.cells else "pinned" if answer.share.cpus else "plain"
                    self.seen[f"second look: {service.share.value}, {cells}{hard}"] += 1
        return answers, first != final

    def write(self, answers: Sequence[Placed | Refused], *, moved: bool = False) -> bool:
        """What a pass decided, in one transaction."""
        placed = [each for each in answers if isinstance(each, Placed)]
        if not self.commit((each.node, each.request.key, each.share) for each in placed):
            return False
        self.batches += 1
        self.seen["placed"] += len(placed)
        self.seen["refused"] += len(answers) - len(placed)
        for each in placed:
            service = self.services[each.request.service]
            member = service.members[each.request.index]
            above = [
                other
                for other in service.standing
                if other.request.index > member.request.index and other.batch != self.batches
            ]
            if above or any(other.moving_to for other in service.standing):
                service.orderly = False
            if moved:
                service.slots = None
            member.node, member.batch = each.node, self.batches
        return True

    def pass_over(self, services: Iterable[Service]) -> None:
        """Place what waits."""
        members = self.waiting(services)
        if members:
            answers, moved = self.draw_up(members)
            assert self.write(answers, moved=moved), "one controller alone takes what is not there"

    def _judge(self, answers: Sequence[Placed | Refused], book: Snapshot) -> None:
        """One after another: no node that could have been taken was better. ``book`` is as before the batch."""
        for answer in answers:
            request = answer.request
            service, judge = self.services[request.service], self.services[request.service].judge
            here = {book.nodes[number].name: count for number, count in book.counts_by_node(request.service).items()}
            if not here and service.orderly:
                fresh = not judge.hard and len(service.members) == len(self.waiting([service]))
                room = headroom.per_node(book, request)
                service.slots = {node.name: int(room[at]) for at, node in enumerate(book.nodes)} if fresh else None
            able = [name for name, machine in self.nodes.items() if machine.is_open and judge.allows(name, here)]
            able = [name for name in able if request.provider in self.facts[name].providers]
            if isinstance(answer, Refused):
                assert sum(answer.reasons.values()) == len(self.nodes), answer.message
                if here or not judge.gathers_hard:
                    assert not [name for name in able if share_of_node(book, name, request)], f"{request.key} had room"
                continue
            assert answer.node in able, f"{request.key} is not allowed on {answer.node}"
            if here or not judge.gathers_hard:
                own = judge.cost(answer.node, here)
                better = [name for name in able if judge.cost(name, here) < own and share_of_node(book, name, request)]
                assert not better, f"{request.key} went to {answer.node}, {better} are better"
            book.take(answer.node, answer.share)
            book.count(request.service, answer.node, 1)
