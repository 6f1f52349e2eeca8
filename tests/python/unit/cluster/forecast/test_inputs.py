"""What a moving Compute means for questions about the future: it may end on either of its nodes.

It used to be counted on its source only, so that N+1 and a saved snapshot gave its place on the target away. ::

    r1: [n1 web-0, on its way to n2]    r2: [n2]    r3: [n3 web-1]        one per rack, hard; 4 vcpus each
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.cluster.forecast import admission, inputs, replay
from controller.cluster.forecast.forecaster import Forecast, ServiceRequest
from controller.model.compute import COMPUTE, Compute
from controller.model.flavor import ResourceFlavor
from controller.model.node import Capacity, Share
from controller.schedule import dump, need_of
from controller.store import capacity, resources
from controller.store.capacity import Taking
from controller.store.database import Database, Tier, Transaction
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute, node
from tests.python.unit.cluster.cells import apart

pytestmark = pytest.mark.design("J4", "J10", "I1")
SMALL = ResourceFlavor.model_validate(
    {"name": "small", "spec": {"provider": "memory", "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}}}
)


def web(index: int, **spec: Any) -> Compute:
    policy = {"rules": [apart("rack")]}
    return compute(f"web-{index}", schedule_policy=policy, on_node_down="Rebuild", **spec)


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    """As drawn."""
    made = sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)

    def fill(tx: Transaction) -> None:
        nodes = [node(f"n{number}", f"r{number}").model_copy(update={"state": "Up"}) for number in (1, 2, 3)]
        resources.insert(tx, nodes)
        for each in nodes:
            capacity.set_total(tx, each.name, Capacity(vcpus=4, memory_mib=4096, disk_gib=40))
        for one, seen in ((web(0), {"node": "n1", "migrating_to": "n2"}), (web(1), {"node": "n3"})):
            resources.insert(tx, [one.model_copy(update={"status": "Active", "observed": seen})])
            capacity.take(tx, [Taking(place, one.uid, Share(need_of(one.spec))) for place in seen.values()])

    made.write(fill)
    return made


def test_the_place_on_the_target_is_given_to_nobody(db: Database) -> None:
    """r3 is lost: web-1 goes neither to r1 nor to r2. r2 is lost: web-0 stays. r1 is lost: web-0 goes to r2 again."""
    whole = db.read(lambda tx: inputs.read_inputs(tx, CLUSTER))
    report = inputs.report(whole, [SMALL], everything=False)
    assert (report["computes"], report["flavors"][0]["fits"]) == (2, 9), "a moving one is one, with two shares"
    worst = report["flavors"][0]["after_loss"]["rack"]
    assert worst == {"domain": "r3", "fits": 6, "nodes": 1, "moved": 0, "unplaced": 1, "staying": 0}


def forecast(db: Database, service_request: ServiceRequest) -> tuple[Forecast, Forecast]:
    """The cluster's answer, and that of a saved snapshot."""
    live = db.read(lambda tx: inputs.forecaster(tx, CLUSTER, [service_request]))
    whole = db.read(lambda tx: inputs.read_inputs(tx, CLUSTER))
    saved = json.loads(json.dumps(dump(whole.snapshot, present=whole.present)))
    return live.of(service_request), replay.forecaster(saved).of(service_request)


def test_one_more_finds_no_rack_and_a_saved_snapshot_says_the_same(db: Database) -> None:
    live, again = forecast(db, ServiceRequest(web(0), 3, bound=True))
    assert live.refused == {"3 nodes: 3 rack already used": 1}
    assert again == live


def test_one_that_goes_leaves_both_of_its_nodes(db: Database) -> None:
    def turn(tx: Transaction) -> None:
        rows = resources.list_all(tx, COMPUTE)
        swapped = zip(rows, ({"node": "n3"}, {"node": "n1", "migrating_to": "n2"}), strict=True)
        resources.update(tx, [row.model_copy(update={"observed": seen}) for row, seen in swapped])
        uids = [row.uid for row in rows]
        capacity.give_back(tx, [("n1", uids[0]), ("n2", uids[0]), ("n3", uids[1])])
        size = Share(need_of(web(0).spec))
        capacity.take(tx, [Taking("n3", uids[0], size), Taking("n1", uids[1], size), Taking("n2", uids[1], size)])

    db.write(turn)
    live, again = forecast(db, ServiceRequest(web(0), 1, bound=True))
    assert live.leaving == {"web-1": "n1"}
    assert (live.capacity["vcpus"]["before"], live.capacity["vcpus"]["after"]) == (9, 11)
    assert again == live


def test_a_new_size_is_taken_where_it_arrives(db: Database) -> None:
    sizes = {"vcpus": 3, "memory_mib": 256, "disk_gib": 1}
    live, again = forecast(db, ServiceRequest(web(0, sizes=sizes), 2, bound=True))
    assert live.resized == {"web-0": "n2", "web-1": "n3"}
    assert (live.capacity["vcpus"]["before"], live.capacity["vcpus"]["after"]) == (9, 6)
    assert again == live


@pytest.mark.design("J8", "J9")
def test_an_offer_counts_those_that_find_no_node(
    db: Database, sqlite_databases: Databases, clock: VirtualClock
) -> None:
    """One per rack, and three racks, for four of a new service; and the same of a cluster without nodes."""
    asked = [compute(f"db-{index}", schedule_policy={"rules": [apart("rack")]}) for index in range(4)]
    made = db.read(lambda tx: admission.offer(tx, CLUSTER, asked))
    assert (made.accepted, made.refused, made.reasons) == (False, 1, {"rack already used": 3})
    assert sorted(made.placements.values()) == ["n1", "n2", "n3"]
    assert db.read(lambda tx: admission.offer(tx, CLUSTER, asked[:3])).accepted
    empty = sqlite_databases.new(Tier.CLUSTER, clock, "osaka1")
    none = empty.read(lambda tx: admission.offer(tx, "osaka1", asked))
    assert (none.accepted, none.refused, none.reasons) == (False, 4, {})
