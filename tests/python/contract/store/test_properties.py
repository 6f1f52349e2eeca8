"""Whatever is asked in whatever order: no address twice (D7), nothing overcommitted (I1), no leak."""

from __future__ import annotations

import threading
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.clock import VirtualClock
from controller.errors import AddressesExhausted, Conflict, NoRoom
from controller.model.network import NETWORK_V4_PORT, NetworkV4
from controller.model.node import Capacity, Share
from controller.store import addresses, capacity, resources
from controller.store.capacity import Taking
from controller.store.database import Database, Tier
from tests.python.contract.store.samples import make
from tests.python.databases import Databases

POOL = 6
TOTAL = Capacity(vcpus=4, memory_mib=4096, disk_gib=40)
NODES = ("a", "b")

quick = settings(max_examples=30, print_blob=True)

address_steps = st.lists(
    st.tuples(st.sampled_from(["take", "free"]), st.lists(st.integers(0, 5), min_size=1, max_size=4)), max_size=8
)
sizes = st.builds(Capacity, vcpus=st.integers(0, 5), memory_mib=st.integers(0, 3000), disk_gib=st.integers(0, 30))
takings = st.lists(st.tuples(st.sampled_from(NODES), st.integers(0, 5), sizes), min_size=1, max_size=3)
backs = st.lists(st.tuples(st.sampled_from(NODES), st.integers(0, 5)), min_size=1, max_size=3)
capacity_steps = st.lists(st.one_of(takings.map(lambda x: ("take", x)), backs.map(lambda x: ("back", x))), max_size=8)


def network() -> NetworkV4:
    spec = {
        "subnet": "172.16.10.0/24",
        "gateway": "172.16.10.1",
        "start_address": "172.16.10.10",
        "end_address": f"172.16.10.{10 + POOL - 1}",
    }
    return cast(NetworkV4, make("NetworkV4", "service", spec))


@pytest.mark.design("D7")
@quick
@given(steps=address_steps)
def test_addresses_follow_a_simple_model(database: Database, steps: list[tuple[str, list[int]]]) -> None:
    model: dict[int, int] = {}
    database.write(lambda tx: addresses.free(tx, [f"default/kanto/web-{number}" for number in range(6)]))
    for verb, numbers in steps:
        paths = [f"default/kanto/web-{number}" for number in numbers]
        if verb == "free":
            database.write(lambda tx, paths=paths: addresses.free(tx, paths))  # type: ignore[misc]
            model = {value: number for value, number in model.items() if number not in numbers}
            continue
        lowest = [value for value in range(10, 10 + POOL) if value not in model][: len(numbers)]
        try:
            owners = [("Compute", path, "") for path in paths]
            ports = database.write(lambda tx, owners=owners: addresses.allocate(tx, network(), owners))  # type: ignore[misc]
        except AddressesExhausted:
            assert len(lowest) < len(numbers)
            continue
        assert [port.spec.address.packed[3] for port in ports] == lowest
        model |= dict(zip(lowest, numbers, strict=True))
    held = database.read(lambda tx: resources.list_all(tx, NETWORK_V4_PORT))
    assert {port.spec.address.packed[3]: port.spec.owner for port in held} == {
        value: f"default/kanto/web-{number}" for value, number in model.items()
    }


def check_books(db: Database) -> None:
    """What is taken is the sum of the takings, and never more than there is."""
    sums: dict[str, tuple[float, int, int]] = dict.fromkeys(NODES, (0, 0, 0))
    for (node, _), share in db.read(capacity.takings).items():
        size = share.size
        before = sums[node]
        sums[node] = (before[0] + size.vcpus, before[1] + size.memory_mib, before[2] + size.disk_gib)
    for node, (total, taken) in db.read(capacity.usage).items():
        assert (taken.vcpus, taken.memory_mib, taken.disk_gib) == sums[node]
        assert taken.vcpus <= total.vcpus
        assert taken.memory_mib <= total.memory_mib
        assert taken.disk_gib <= total.disk_gib


def run_steps(db: Database, steps: list[tuple[str, list[tuple[object, ...]]]], prefix: str) -> None:
    for verb, what in steps:
        try:
            if verb == "take":
                wanted = [Taking(str(one[0]), f"{prefix}{one[1]}", Share(cast(Capacity, one[2]))) for one in what]
                db.write(lambda tx, wanted=wanted: capacity.take(tx, wanted))  # type: ignore[misc]
            else:
                back = [(one[0], f"{prefix}{one[1]}") for one in what]
                db.write(lambda tx, back=back: capacity.give_back(tx, back))  # type: ignore[misc]
        except (NoRoom, Conflict):
            continue


@pytest.fixture
def pair(databases: Databases) -> tuple[Database, Database]:
    """Two controllers' views of one cluster database."""
    url = databases.url(Tier.CLUSTER)
    return databases.open(url, Tier.CLUSTER, VirtualClock()), databases.open(url, Tier.CLUSTER, VirtualClock())


@pytest.mark.design("I1")
@quick
@given(ours=capacity_steps, theirs=capacity_steps)
def test_two_writers_never_overcommit_a_node(
    pair: tuple[Database, Database],
    ours: list[tuple[str, list[tuple[object, ...]]]],
    theirs: list[tuple[str, list[tuple[object, ...]]]],
) -> None:
    for node in NODES:
        pair[0].write(lambda tx, node=node: capacity.remove_node(tx, node))  # type: ignore[misc]
        pair[0].write(lambda tx, node=node: capacity.set_total(tx, node, TOTAL))  # type: ignore[misc]
    other = threading.Thread(target=run_steps, args=(pair[1], theirs, "t"))
    other.start()
    run_steps(pair[0], ours, "o")
    other.join()
    check_books(pair[0])
    everything = list(pair[0].read(capacity.takings))
    pair[0].write(lambda tx: capacity.give_back(tx, everything))
    assert {taken for _, taken in pair[0].read(capacity.usage).values()} == {Capacity()}
