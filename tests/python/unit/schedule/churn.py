"""A small model of what a cluster's controllers do to its books, step by step, with placement in the middle.

``Site`` holds what a database would: nodes, services with their resources, and what each of those
has reserved of which node. Every pass makes a snapshot of it, places, and writes what came out,
all of it or nothing, as ``store.capacity`` does. ``check`` looks at everything anew after each step.

What is said of prefixes, honestly. Placement goes by index and takes what is best with what stands at that moment:

- At once: no node that could have been taken would have been better (``_judge``). Of a fresh service without
  hard rules every prefix is, over the first axis, as even as the room of each domain allows.
- Later: a scale-down takes the tail, so what was said of the prefixes that are left stays true, and is checked
  again after every step; a scale-up adds to it. That is so until one of the service is moved, lost,
  or deleted from the middle, or one is placed under an index below others: from then on each new one
  still goes where it is best with all that stand, but nothing is said of prefixes until the service is made anew.
- Where the second look has placed otherwise than one after another would have: the nodes that a service has got are
  in the best order there is of them.

Resources that move are on two nodes, with a reservation on each, and may end on either.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from controller.model.flavor import MachineShare
from controller.model.node import Capacity, Share
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import (
    CellFacts,
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
from tests.python.unit.schedule.judge import Judge

Rule = dict[str, object]


def rule(axis: str, mode: str = "AntiAffinity", *, hard: bool = True, value: str | None = None) -> Rule:
    return {"axis": axis, "mode": mode, "hard": hard, "value": value}


POLICIES: tuple[dict[str, object], ...] = (
    {},
    {},
    {"rules": [rule("power", hard=False)]},
    {"rules": [rule("rack")]},
    {"rules": [rule("node")]},
    {"rules": [rule("power", hard=False), rule("node")]},
    {"rules": [rule("network", hard=False), rule("rack", hard=False)]},
    {"rules": [rule("rack", "Affinity", hard=False)]},
    {"rules": [rule("rack", "Affinity"), rule("node", hard=False)]},
    {"rules": [rule("network", "Affinity"), rule("rack", hard=False)]},
    {"rules": [rule("power", "Affinity", value="A")]},
    {"rules": [rule("room", hard=False)]},
    {"rules": [rule("datacenter", "Affinity"), rule("rack")]},
    {"node_label_filters": {"disk": "ssd"}, "rules": [rule("power", hard=False)]},
    {"node_label_hard_affinities": ["room"], "node_label_soft_anti_affinities": ["bench"]},
    {
        "ClusterFilters": ["tokyo1"],
        "ClusterLabelFilters": {"tier": "gold"},
        "NodeFilters": [f"r{rack}-{number}" for rack in (1, 2, 3) for number in (1, 2, 3)],
        "NodeLabelFilters": {"disk": "ssd"},
        "NodeLabelSoftUntiAffinities": ["room"],
        "NodeLabelSoftAffinities": ["hall"],
        "NodeLabelHardUntiAffinities": ["bench"],
        "NodeLabelHardAffinities": ["disk"],
    },
)
PART, CELL, MACHINE = MachineShare.PART, MachineShare.CELL, MachineShare.MACHINE
FLAVORS: tuple[tuple[Capacity, MachineShare], ...] = (
    (Capacity(vcpus=0.29, memory_mib=512, disk_gib=4), PART),
    (Capacity(vcpus=1, memory_mib=2048, disk_gib=8, network_mbps=100), PART),
    (Capacity(vcpus=2, memory_mib=3000, disk_gib=10, disk_iops=300), PART),
    (Capacity(vcpus=4, memory_mib=6000, disk_gib=20, disk_mibps=40), PART),
    (Capacity(vcpus=7, memory_mib=12000, disk_gib=20), PART),  # larger than a cell
    (Capacity(pinned_cpus=1, hugepages_mib=1024, disk_gib=8), PART),
    (Capacity(pinned_cpus=2, memory_mib=1500, disk_gib=8, network_mbps=300), PART),
    (Capacity(pinned_cpus=5, hugepages_mib=3000, disk_gib=8), PART),  # over several cells
    (Capacity(vcpus=1, memory_mib=1024, disk_gib=4), CELL),
    (Capacity(vcpus=2, memory_mib=1024, disk_gib=4), MACHINE),
)


def fleet() -> list[NodeFacts]:
    """::

    datacenter:  d1                                                  d2
    rack:        r1 (6)        r2 (5)         r3 (4)                 r4 (3)
    power:       A             B              A+B                    A
    network:     l1            l2             l1                     l3 (one node: none)

    Nodes take turns: without cells, with one, two, and four NUMA cells.
    """
    power, network = ("A", "B", "A+B", "A"), ("l1", "l2", "l1", "l3")
    made = []
    for at, size in enumerate((6, 5, 4, 3)):
        for number in range(1, size + 1):
            zones = {"datacenter": "d2" if at == 3 else "d1", "rack": f"r{at + 1}", "power": power[at]}
            if (at, number) != (3, 3):
                zones["network"] = network[at]
            labels = {"disk": "hdd" if number == 4 else "ssd", "hall": "h1" if at < 2 else "h2"}
            if number < 6:
                labels |= {"room": "xyz"[(at + number) % 3], "bench": f"b{number}"}
            made.append(_machine(f"r{at + 1}-{number}", (0, 1, 2, 4)[(at + number) % 4], zones, labels))
    return made


def _machine(name: str, cells: int, zones: dict[str, str], labels: dict[str, str]) -> NodeFacts:
    parts = max(cells, 1)
    inside = Capacity(vcpus=12 // parts, pinned_cpus=8 // parts, memory_mib=24000 // parts, hugepages_mib=8192 // parts)
    told = []
    for number in range(cells):
        cpus = tuple(range(100 * number, 100 * number + inside.pinned_cpus))
        told.append(CellFacts(number, inside, Capacity(), cpus, cpus))
    sizes = dict(zip(Capacity.model_fields, (12, 8, 24000, 8192, 120, 1500, 200, 1000), strict=True))
    providers = frozenset({"libvirt"} if name.endswith("2") else {"libvirt", "memory"})
    return NodeFacts(name, Capacity(**sizes), zones=zones, labels=labels, providers=providers, cells=tuple(told))


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


class Site:
    """The books, and the steps that change them."""

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

    # --- steps; each returns whether there was anything to do

    def create(self) -> bool:
        """One to four new services in one batch."""
        self.pass_over([self._new() for _ in range(self.random.choice((1, 1, 1, 1, 1, 4)))])
        return True

    def _new(self) -> Service:
        number = self.random.randrange(len(POLICIES))
        policy, judge = self._judges[number]
        need, share = self.random.choice(FLAVORS)
        provider = self.random.choice(("libvirt", "libvirt", "memory"))
        self.made += 1
        made = Service(f"s{self.made}", policy, need, share, provider, self.random.random() < 0.7, judge)
        for index in range(1 if share is MACHINE else self.random.randint(1, 7)):
            made.add(index)
        self.services[made.name] = made
        return made

    def scale_up(self) -> bool:
        service = self._any()
        if service is None:
            return False
        for _ in range(self.random.randint(1, 3)):
            index = next(index for index in range(len(service.members) + 1) if index not in service.members)
            service.add(index)
        self.pass_over([service])
        return True

    def scale_down(self) -> bool:
        """The tail goes."""
        service = self._any()
        if service is None:
            return False
        for index in sorted(service.members)[-self.random.randint(1, 3) :]:
            self._remove(service, index)
        return True

    def delete_by_name(self) -> bool:
        service = self._any()
        if service is None:
            return False
        index = self.random.choice(list(service.members))
        if service.members[index].node and index != max(service.members):
            service.orderly = False
        self._remove(service, index)
        return True

    def delete_service(self) -> bool:
        service = self._any()
        for index in list(service.members) if service else ():
            assert service
            self._remove(service, index)
        return service is not None

    def try_again(self) -> bool:
        """Everything that waits, in one batch."""
        services = list(self.services.values())
        self.pass_over(services)
        return True

    def two_at_once(self) -> bool:
        """Two controllers, each with its own services and a snapshot that is older than what the other writes."""
        waiting = [service for service in self.services.values() if self.waiting([service])]
        waiting += [self._new() for _ in range(2)]
        halves = waiting[::2], waiting[1::2]
        drawn = [self.draw_up(self.waiting(half)) for half in halves if self.waiting(half)]
        for number, (answers, moved) in enumerate(drawn):
            for _ in range(9):
                if self.write(answers, moved=moved):
                    break
                self.seen["lost the race"] += 1
                services = {each.request.service for each in answers}
                answers, moved = self.draw_up(self.waiting(self.services[name] for name in sorted(services)))
            else:
                raise AssertionError(f"controller {number} never gets through")
            for each in answers:
                self.services[each.request.service].slots = None  # the other one's were there first
        return True

    def node_down(self) -> bool:
        up = [machine for machine in self.nodes.values() if machine.up]
        if len(up) < len(self.nodes) - 3:
            return False
        self.random.choice(up).up = False
        return True

    def node_back(self) -> bool:
        down = [machine for machine in self.nodes.values() if not machine.up]
        for machine in down[:1]:
            machine.up = True
        return bool(down)

    def forget(self) -> bool:
        """A lost node is fenced and given up: what stood there is made again elsewhere, or is lost."""
        down = [name for name, machine in self.nodes.items() if not machine.up]
        if not down:
            return False
        node = self.random.choice(down)
        concerned = []
        for service in self.services.values():
            for member in [each for each in service.standing if node in each.places]:
                concerned.append(service)
                service.orderly = False
                self.give_back(node, member.request.key)
                other = next((name for name in member.places if name != node), None)
                if member.node == node and other:  # as though the copy had not been complete
                    self.give_back(other, member.request.key)
                    other = None
                if member.moving_to:
                    member.moving_to = None
                if member.node == node:
                    member.node, member.lost = None, not service.rebuild
        self.nodes[node].up = True
        self.pass_over({service.name: service for service in concerned}.values())
        return True

    def cordon(self) -> bool:
        machine = self.random.choice(list(self.nodes.values()))
        closed = [each for each in self.nodes.values() if not each.schedulable]
        machine.schedulable = not machine.schedulable if len(closed) < 3 else True
        return True

    def drain(self) -> bool:
        """A node or a whole rack is to be empty; or such a drain is cancelled, what it began goes back."""
        draining = [name for name, machine in self.nodes.items() if machine.draining]
        if draining:
            for name in draining:
                self.nodes[name].draining = False
            for member in [each for service in self.services.values() for each in service.standing]:
                if member.moving_to and member.node in draining and self.random.random() < 0.5:
                    self._end_move(member, arrived=False)
            return True
        rack = f"r{self.random.randint(1, 4)}-"
        names = [name for name in self.nodes if name.startswith(rack)]
        for name in names if self.random.random() < 0.4 else [self.random.choice(names)]:
            self.nodes[name].draining = True
        return True

    def drain_on(self) -> bool:
        """Begin some moves away from draining nodes: each as if the copy that leaves were gone."""
        leaving = [
            (service, member)
            for service in self.services.values()
            for member in service.standing
            if self.nodes[member.node or ""].draining and not member.moving_to and self.nodes[member.node or ""].up
        ]
        self.random.shuffle(leaving)
        for service, member in leaving[:3]:
            self._begin_move(service, member)
        return bool(leaving)

    def rebalance(self) -> bool:
        """Move one of a service, if that makes it better."""
        service = self._any()
        able = [each for each in service.standing if not each.moving_to] if service else []
        if not service or not able or any(each.moving_to for each in service.standing):
            return False
        member = self.random.choice(able)
        if self.nodes[member.node or ""].up:
            self._begin_move(service, member, only_if_better=True)
        return True

    def go_on(self) -> bool:
        """Some moves end: most arrive, some fail."""
        moving = [each for service in self.services.values() for each in service.standing if each.moving_to]
        for member in moving[:4]:
            up = all(self.nodes[name].up for name in member.places)
            if up:
                self._end_move(member, arrived=self.random.random() < 0.8)
        return bool(moving)

    def _begin_move(self, service: Service, member: Member, *, only_if_better: bool = False) -> None:
        assert member.node
        snapshot = self.snapshot([service.name])
        snapshot.count(service.name, member.node, -1)
        here = {snapshot.nodes[number].name: count for number, count in snapshot.counts_by_node(service.name).items()}
        (answer,) = place(snapshot, [replace(member.request, avoid=frozenset({member.node}))])
        if isinstance(answer, Refused):
            self.seen["move refused"] += 1
            return
        if only_if_better and service.judge.cost(answer.node, here) >= service.judge.cost(member.node, here):
            return
        assert self.nodes[answer.node].is_open
        assert self.commit([(answer.node, member.request.key, answer.share)])
        service.orderly = False
        member.moving_to = answer.node
        self.seen["rebalanced" if only_if_better else "drained"] += 1

    def _end_move(self, member: Member, *, arrived: bool) -> None:
        assert member.node
        assert member.moving_to
        self.give_back(member.node if arrived else member.moving_to, member.request.key)
        if arrived:
            member.node = member.moving_to
        member.moving_to = None

    def _any(self) -> Service | None:
        return self.random.choice(list(self.services.values())) if self.services else None

    def _remove(self, service: Service, index: int) -> None:
        member = service.members.pop(index)
        for name in member.places:
            self.give_back(name, member.request.key)
        if not service.members:
            del self.services[service.name]

    def step(self) -> str:
        """One step, by chance; its name."""
        full = sum(len(service.members) for service in self.services.values()) > self.most
        grow = 0.2 if full else 3
        weights: dict[Callable[[], bool], float] = {
            self.create: grow,
            self.scale_up: 1.5 * grow,
            self.two_at_once: 0.15 * grow,
            self.scale_down: 3,
            self.delete_by_name: 2.5,
            self.delete_service: 1.5,
            self.try_again: 0.1,
            self.node_down: 1,
            self.node_back: 1,
            self.forget: 0.5,
            self.cordon: 1,
            self.drain: 0.6,
            self.drain_on: 3,
            self.rebalance: 3,
            self.go_on: 4,
        }
        while True:
            (chosen,) = self.random.choices(list(weights), list(weights.values()))
            if chosen():
                self.seen[chosen.__name__] += 1
                return chosen.__name__

    # --- what must hold

    def check(self) -> None:
        """Everything, counted anew from the reservations."""
        owners = {
            (place, member.request.key)
            for service in self.services.values()
            for member in service.members.values()
            for place in member.places
        }
        assert owners == set(self.reserved), f"{owners ^ set(self.reserved)} have no owner, or no reservation"
        self._check_capacity()
        for service in self.services.values():
            standing = service.standing
            now = [(member.places, member.batch) for member in standing], service.orderly, service.slots is None
            if now == service.seen_as:
                continue  # what follows looks at nothing else
            broken = service.judge.broken([member.places for member in standing])
            assert not broken, f"{service.name}: {broken}"
            if service.orderly:
                self._check_prefixes(service, standing)
            service.seen_as = now

    def _check_capacity(self) -> None:
        taken: dict[str, list[int]] = {name: [0] * 8 for name in self.nodes}
        cells: Counter[tuple[str, int, int]] = Counter()
        cpus: set[tuple[str, int]] = set()
        for (node, key), share in self.reserved.items():
            taken[node] = [a + b for a, b in zip(taken[node], columns(share.size), strict=True)]
            for number, part in share.cells.items():
                for at, amount in enumerate(columns(part)):
                    cells[node, number, at] += amount
            mine = {(node, cpu) for cpu in share.cpus}
            assert not mine & cpus, f"{key}: a cpu of its own is another's on {node}"
            cpus |= mine
        for name, machine in self.nodes.items():
            assert all(a <= b for a, b in zip(taken[name], columns(machine.facts.total), strict=True)), name
            assert taken[name] == machine.taken
            several = len(machine.facts.cells) > 1
            for cell in machine.facts.cells:
                own = sum((name, cpu) in cpus for cpu in cell.pinned_cpus)
                if several:
                    row = [cells[name, cell.number, at] for at in range(8)]
                    assert all(a <= b for a, b in zip(row, columns(cell.total), strict=True)), (name, cell.number)
                    assert row[1] == own, f"cell {cell.number} of {name}: {row[1]} pinned, {own} cpus given"
                else:
                    assert taken[name][1] == own
        given = {cpu for name, cpu in cpus}
        known = {cpu for machine in self.nodes.values() for cell in machine.facts.cells for cpu in cell.pinned_cpus}
        assert given <= known

    def _check_prefixes(self, service: Service, standing: Sequence[Member]) -> None:
        places = [member.node or "" for member in standing]
        batches = [member.batch for member in standing]
        for start in (at for at in range(len(places)) if at == 0 or batches[at] != batches[at - 1]):
            end = next((at for at in range(start, len(places)) if batches[at] != batches[start]), len(places))
            why = service.judge.out_of_order(places[:end], start)
            assert not why, f"{service.name}: {why}"
        if service.slots is not None and len(set(batches)) == 1:
            why = service.judge.uneven(places, service.slots)
            assert not why, f"{service.name}: {why}"


def walk(seed: int, steps: int, most: int) -> Site:
    """So many steps from a seed, all looked at after each; with more than ``most`` resources few more are made."""
    site = Site(seed, most)
    for number in range(steps):
        name = ""
        try:
            name = site.step()
            site.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, step {number} ({name or 'within'}): {error}") from error
    return site
