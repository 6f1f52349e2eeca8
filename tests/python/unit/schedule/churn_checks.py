"""What must hold of the books after each step of the churn: capacity, cells, cpus, rules, and the order of prefixes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from controller.schedule.inputs import columns
from tests.python.unit.schedule.churn_books import Books, Member, Service


def check(books: Books) -> None:
    """Count everything again from the reservations, and compare."""
    owners = {
        (place, member.request.key)
        for service in books.services.values()
        for member in service.members.values()
        for place in member.places
    }
    assert owners == set(books.reserved), f"{owners ^ set(books.reserved)} have no owner, or no reservation"
    _check_capacity(books)
    for service in books.services.values():
        standing = service.standing
        now = [(member.places, member.batch) for member in standing], service.orderly, service.slots is None
        if now == service.seen_as:
            continue  # what follows looks at nothing else
        broken = service.judge.broken([member.places for member in standing])
        assert not broken, f"{service.name}: {broken}"
        if service.orderly:
            _check_prefixes(service, standing)
        service.seen_as = now


def _check_capacity(books: Books) -> None:
    taken: dict[str, list[int]] = {name: [0] * 8 for name in books.nodes}
    cells: Counter[tuple[str, int, int]] = Counter()
    cpus: set[tuple[str, int]] = set()
    for (node, key), share in books.reserved.items():
        taken[node] = [a + b for a, b in zip(taken[node], columns(share.size), strict=True)]
        for number, part in share.cells.items():
            for at, amount in enumerate(columns(part)):
                cells[node, number, at] += amount
        mine = {(node, cpu) for cpu in share.cpus}
        assert not mine & cpus, f"{key}: a cpu of its own is another's on {node}"
        cpus |= mine
    for name, machine in books.nodes.items():
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
    known = {cpu for machine in books.nodes.values() for cell in machine.facts.cells for cpu in cell.pinned_cpus}
    assert given <= known


def _check_prefixes(service: Service, standing: Sequence[Member]) -> None:
    places = [member.node or "" for member in standing]
    batches = [member.batch for member in standing]
    for start in (at for at in range(len(places)) if at == 0 or batches[at] != batches[at - 1]):
        end = next((at for at in range(start, len(places)) if batches[at] != batches[start]), len(places))
        why = service.judge.out_of_order(places[:end], start)
        assert not why, f"{service.name}: {why}"
    if service.slots is not None and len(set(batches)) == 1:
        why = service.judge.uneven(places, service.slots)
        assert not why, f"{service.name}: {why}"
