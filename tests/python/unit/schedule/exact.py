"""Small cases of placement, drawn from a seed, and their exact answer by OR-tools' CP-SAT.

The exact model knows what ``place`` knows and nothing else: nodes, what stands, one batch. It
counts how many requests of one kind each node takes, which is all that tells two answers apart.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ortools.sat.python import cp_model

from controller.model.flavor import MachineShare
from controller.model.node import Capacity
from controller.model.schedule_policy import RuleMode, SchedulePolicy, ScheduleRule
from controller.schedule import NodeFacts, Placed, Refused, Request, Snapshot

AMOUNTS = tuple(Capacity.model_fields)
Counts = dict[tuple[int, str], Any]


@dataclass(frozen=True)
class Case:
    """Nodes, what stands on them, and one batch."""

    nodes: tuple[NodeFacts, ...]
    standing: tuple[tuple[str, str], ...]
    requests: tuple[Request, ...]

    def snapshot(self) -> Snapshot:
        return Snapshot(self.nodes, self.standing)

    def node(self, name: str) -> NodeFacts:
        return next(node for node in self.nodes if node.name == name)


FLAVORS = (
    Capacity(vcpus=1, memory_mib=2048, disk_gib=10),
    Capacity(vcpus=2, memory_mib=2048, disk_gib=20, network_mbps=500),
    Capacity(vcpus=2, memory_mib=8192, disk_gib=20),
    Capacity(vcpus=4, memory_mib=4096, disk_gib=40, disk_iops=1000),
    Capacity(vcpus=4, memory_mib=16384, disk_gib=40, disk_mibps=100),
    Capacity(vcpus=6, memory_mib=6144, disk_gib=30),
    Capacity(pinned_cpus=2, hugepages_mib=4096, disk_gib=20),
    Capacity(vcpus=0.5, memory_mib=3072, disk_gib=60),
)
SERVERS = (
    Capacity(
        vcpus=8, pinned_cpus=4, memory_mib=24576, hugepages_mib=8192, disk_gib=160, disk_iops=3000, disk_mibps=300,
        network_mbps=2000,
    ),
    Capacity(
        vcpus=12, pinned_cpus=2, memory_mib=16384, hugepages_mib=4096, disk_gib=200, disk_iops=2000, disk_mibps=200,
        network_mbps=1000,
    ),
)  # fmt: skip


def draw(seed: int) -> Case:
    """The case of that seed: as much asked as there is room for, a little less or more."""
    source = random.Random(seed)
    racks, powers, networks = source.randint(2, 5), source.randint(2, 3), source.randint(2, 3)
    nodes = tuple(_node(source, number, racks, powers, networks) for number in range(source.randint(5, 12)))
    budget = _sums(node.total for node in nodes)
    taken = _sums(node.taken for node in nodes)
    load = source.uniform(0.75, 1.15)
    free = [(total - used) * load for total, used in zip(budget, taken, strict=True)]
    standing: list[tuple[str, str]] = []
    requests: list[Request] = []
    for number in range(30):
        service = f"s{number}"
        made = _service(source, service, nodes, min(30 - len(requests), source.randint(1, 6)))
        needs = _sums(request.need for request in requests + made)
        if requests and (len(requests) >= 30 or any(need > most for need, most in zip(needs, free, strict=True))):
            break
        requests += made
        if source.random() < 0.25:
            standing += _standing(source, made[0], nodes)
    return Case(nodes, tuple(standing), tuple(requests))


def _sums(capacities: Iterable[Capacity]) -> list[float]:
    rows = [[getattr(each, name) for name in AMOUNTS] for each in capacities]
    return [sum(column) for column in zip(*rows, strict=True)] if rows else [0.0] * len(AMOUNTS)


def _node(source: random.Random, number: int, racks: int, powers: int, networks: int) -> NodeFacts:
    total = source.choice(SERVERS)
    rack = source.randrange(racks)
    zones = {"datacenter": "tokyo", "rack": f"r{rack}", "power": f"p{source.randrange(powers)}"}
    if source.random() < 0.95:
        zones["network"] = f"n{rack % networks}"
    labels = {"room": source.choice("xyz")} if source.random() < 0.8 else {}
    labels["disk"] = source.choice(("ssd", "ssd", "hdd"))
    taken = Capacity()
    if source.random() < 0.5:
        part = source.choice((0.25, 0.5))
        taken = Capacity(**{name: int(getattr(total, name) * part) for name in AMOUNTS})
    return NodeFacts(
        f"node-{number:02}",
        total,
        taken,
        state="Down" if source.random() < 0.04 else "Up",
        schedulable=source.random() > 0.04,
        labels=labels,
        zones=zones,
        providers=frozenset({"libvirt"} if source.random() < 0.95 else {"other"}),
    )


def _service(source: random.Random, service: str, nodes: Sequence[NodeFacts], count: int) -> list[Request]:
    policy = SchedulePolicy(**_filters(source, nodes), rules=tuple(_rules(source)))
    flavors = source.sample(FLAVORS, 2 if source.random() < 0.25 else 1)
    whole = len(flavors) == 1 and count == 1 and source.random() < 0.3
    share = MachineShare.MACHINE if whole else MachineShare.PART
    return [
        Request(
            f"{service}-{index}", service, index, flavors[index % len(flavors)], "libvirt", policy, machine_share=share
        )
        for index in range(count)
    ]


def _filters(source: random.Random, nodes: Sequence[NodeFacts]) -> dict[str, Any]:
    chance = source.random()
    if chance < 0.08:
        return {"node_filters": tuple(node.name for node in source.sample(nodes, len(nodes) // 2))}
    return {"node_label_filters": {"disk": "ssd"}} if chance < 0.2 else {}


def _rules(source: random.Random) -> Iterator[ScheduleRule]:
    """None, one or two hard rules, and a soft one now and then."""
    axes = ["rack", "power", "network", "node", "room"]
    for axis in source.sample(axes, source.choice((0, 1, 1, 1, 2))):
        if source.random() < 0.55:
            yield ScheduleRule(axis=axis, mode=RuleMode.ANTI_AFFINITY, hard=True)
        else:
            value = source.choice(VALUES[axis]) if axis in VALUES and source.random() < 0.35 else None
            yield ScheduleRule(axis=axis, mode=RuleMode.AFFINITY, hard=True, value=value)
        axes.remove(axis)
    if source.random() < 0.3:
        yield ScheduleRule(axis=source.choice(axes), mode=source.choice(list(RuleMode)), hard=False)


VALUES = {"rack": ("r0", "r1"), "power": ("p0", "p1"), "room": ("x", "y")}


def _standing(source: random.Random, request: Request, nodes: Sequence[NodeFacts]) -> list[tuple[str, str]]:
    """One resource of the service that stands already, where its rules allow it."""
    able = [node.name for node in nodes if fits_alone(request, node)]
    return [(request.service, source.choice(able))] if able else []


def domain(node: NodeFacts, axis: str) -> str | None:
    """The node's domain on the axis."""
    if axis == "node":
        return node.name
    return node.zones.get(axis) if axis in ("datacenter", "power", "rack", "network") else node.labels.get(axis)


def fits_alone(request: Request, node: NodeFacts) -> bool:
    """The node may take the request, whatever is free and wherever the service stands."""
    policy = request.policy
    if node.state != "Up" or not node.schedulable or node.draining or request.provider not in node.providers:
        return False
    if policy.node_filters and node.name not in policy.node_filters:
        return False
    if any(node.labels.get(label) != value for label, value in policy.node_label_filters.items()):
        return False
    hard = [rule for rule in policy.all_rules() if rule.hard]
    own = [(domain(node, rule.axis), rule.value) for rule in hard]
    return all(mine is not None and value in (None, mine) for mine, value in own)


def size_on(request: Request, node: NodeFacts) -> Capacity | None:
    """What the request takes of that node; None: never anything."""
    if request.machine_share is MachineShare.PART:
        return request.need
    need, total = request.need, node.total
    cpus = total.vcpus + total.pinned_cpus >= need.vcpus + need.pinned_cpus
    enough = all(getattr(total, name) >= getattr(need, name) for name in AMOUNTS[2:])
    return total if cpus and enough and node.taken == Capacity() else None


def most(case: Case) -> tuple[int, bool]:
    """How many requests can be placed at most; False when that is a bound that was not proven reachable."""
    model = cp_model.CpModel()
    kinds = _kinds(case)
    counts = _variables(model, case, kinds)
    for number, alike in enumerate(kinds):
        model.add(sum(var for (kind, _), var in counts.items() if kind == number) <= len(alike))
    _capacity(model, case, kinds, counts)
    _hard_rules(model, case, kinds, counts)
    model.maximize(sum(counts.values()))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.max_deterministic_time = 2.0
    status = solver.status_name(solver.solve(model))
    assert status in ("OPTIMAL", "FEASIBLE")
    return round(solver.best_objective_bound), status == "OPTIMAL"


def _kinds(case: Case) -> list[list[Request]]:
    kinds: dict[object, list[Request]] = {}
    for request in case.requests:
        amounts = tuple(getattr(request.need, name) for name in AMOUNTS)
        kinds.setdefault((request.service, amounts, request.machine_share), []).append(request)
    return list(kinds.values())


def _variables(model: cp_model.CpModel, case: Case, kinds: list[list[Request]]) -> Counts:
    return {
        (number, node.name): model.new_int_var(0, len(alike), f"{alike[0].key} on {node.name}")
        for number, alike in enumerate(kinds)
        for node in case.nodes
        if fits_alone(alike[0], node) and size_on(alike[0], node) is not None
    }


def _capacity(model: cp_model.CpModel, case: Case, kinds: list[list[Request]], counts: Counts) -> None:
    for node in case.nodes:
        here = [(kinds[kind][0], var) for (kind, name), var in counts.items() if name == node.name]
        sizes = [(size_on(request, node) or Capacity(), var) for request, var in here]
        for name in AMOUNTS:
            free = round(100 * (getattr(node.total, name) - getattr(node.taken, name)))
            terms = [(round(100 * getattr(size, name)), var) for size, var in sizes]
            if any(amount for amount, _ in terms):
                model.add(sum(amount * var for amount, var in terms if amount) <= free)


def _hard_rules(model: cp_model.CpModel, case: Case, kinds: list[list[Request]], counts: Counts) -> None:
    for service, policy in {request.service: request.policy for request in case.requests}.items():
        mine = [(case.node(name), var) for (kind, name), var in counts.items() if kinds[kind][0].service == service]
        stands = [case.node(name) for of, name in case.standing if of == service]
        hard = [rule for rule in policy.all_rules() if rule.hard]
        for rule in hard:
            if rule.mode is RuleMode.ANTI_AFFINITY:
                used = Counter(domain(node, rule.axis) for node in stands)
                for each in {domain(node, rule.axis) for node, _ in mine}:
                    here = [var for node, var in mine if domain(node, rule.axis) == each]
                    model.add(sum(here) <= max(0, 1 - used[each]))
        axes = [rule.axis for rule in hard if rule.mode is RuleMode.AFFINITY and rule.value is None]
        if axes:
            _together(model, service, axes, mine, stands)


def _together(
    model: cp_model.CpModel, service: str, axes: list[str], mine: list[tuple[NodeFacts, Any]], stands: list[NodeFacts]
) -> None:
    def joined(node: NodeFacts) -> tuple[str | None, ...]:
        return tuple(domain(node, axis) for axis in axes)

    domains = sorted({joined(node) for node, _ in mine}, key=str)
    chosen = {each: model.new_bool_var(f"{service} in {each}") for each in domains}
    model.add(sum(chosen.values()) <= 1)
    for node, var in mine:
        model.add(var <= 30 * chosen[joined(node)])
    for each in domains if stands else ():
        if each != joined(stands[0]):
            model.add(chosen[each] == 0)


def broken(case: Case, answers: Sequence[Placed | Refused]) -> list[str]:
    """Every way in which the answers are impossible: too much of a node, a hard rule broken, lost or doubled."""
    wrong: list[str] = []
    placed = [answer for answer in answers if isinstance(answer, Placed)]
    if sorted(answer.request.key for answer in answers) != sorted(request.key for request in case.requests):
        wrong.append("requests are lost or doubled")
    for node in case.nodes:
        here = [answer for answer in placed if answer.node == node.name]
        for name in AMOUNTS:
            used = getattr(node.taken, name) + sum(getattr(answer.share.size, name) for answer in here)
            if here and used > getattr(node.total, name) + 1e-9:
                wrong.append(f"{node.name}: {name} {used} of {getattr(node.total, name)}")
        wrong += [
            f"{answer.request.key} may not be on {node.name}" for answer in here if not fits_alone(answer.request, node)
        ]
        wrong += [
            f"{answer.request.key} takes {answer.share.size}"
            for answer in here
            if answer.share.size != size_on(answer.request, node)
        ]
    for service, policy in {request.service: request.policy for request in case.requests}.items():
        mine = [case.node(answer.node) for answer in placed if answer.request.service == service]
        stands = [case.node(name) for of, name in case.standing if of == service]
        for rule in policy.all_rules():
            own = [domain(node, rule.axis) for node in mine + stands]
            if rule.hard and rule.mode is RuleMode.ANTI_AFFINITY and max(Counter(own).values(), default=0) > 1:
                wrong.append(f"{service}: two in one {rule.axis}: {own}")
            if rule.hard and rule.mode is RuleMode.AFFINITY and len(set(own)) > 1:
                wrong.append(f"{service}: not in one {rule.axis}: {own}")
    return wrong
