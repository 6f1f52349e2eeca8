"""References: names that do not exist are refused with their field, users are listed."""

from __future__ import annotations

import pytest

from controller.errors import InvalidInput, Problem
from controller.model.registry import AnyResource
from controller.store import references, resources
from controller.store.database import Database
from tests.python.contract.store.samples import key, make, racks, site, store

pytestmark = pytest.mark.design("F2", "G2")


def problems(db: Database, *given: AnyResource) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in db.read(lambda tx: references.unresolved(tx, given))]


def users(db: Database, kind: str, *names: str, limit: int = 20) -> tuple[list[str], int]:
    return db.read(lambda tx: references.users(tx, key(kind, *names), limit))


def test_a_missing_name_is_refused_with_its_field(database: Database) -> None:
    store(database, *site())
    (rack,) = racks("rack-1")
    assert problems(database, rack) == []
    wrong = make("Rack", "rack-2", {"floor": "floor-9-9-9", "pair": "rack-1"})
    with pytest.raises(InvalidInput) as caught:
        database.read(lambda tx: references.check(tx, [wrong]))
    assert caught.value.problems == (
        Problem("spec.floor", "Floor tokyo/floor-9-9-9 does not exist"),
        Problem("spec.pair", "Rack tokyo/rack-1 does not exist"),
    )


def test_a_missing_parent_and_project_are_refused(database: Database) -> None:
    given = make("RegionService", "web", project="shop", region="nowhere")
    found = dict(problems(database, given))
    assert found["region"] == "Region nowhere does not exist"
    assert found["project"] == "Project shop does not exist"


def test_members_of_the_batch_count_as_existing(database: Database) -> None:
    batch = [*site(), *racks("rack-1"), make("Rack", "rack-2", {"floor": "floor-1-1-1", "pair": "rack-1"})]
    assert problems(database, *batch) == []
    assert problems(database, *batch[:-2], make("Rack", "rack-2", {"floor": "floor-2-1-1"})) == [
        ("[4].spec.floor", "Floor tokyo/floor-2-1-1 does not exist")
    ]


def test_names_inside_lists_are_found(database: Database) -> None:
    store(database, *site(), *racks("rack-1"))
    server = make(
        "PhysicalResource",
        "server1",
        {
            "role": "Server",
            "rack": "rack-1",
            "network_links": [{"port": "eth0", "peer": "server1"}, {"port": "eth1", "peer": "leaf"}],
        },
    )
    assert problems(database, server) == [("spec.network_links[1].peer", "PhysicalResource tokyo/leaf does not exist")]


def test_a_node_names_things_of_its_clusters_datacenter_and_region(database: Database) -> None:
    store(database, *site())
    node = make("Node", "server1", {"physical_resource": "server1", "region_availability_zone": "kanto-a"})
    assert problems(database, node) == [
        ("spec.physical_resource", "PhysicalResource tokyo/server1 does not exist"),
        ("spec.region_availability_zone", "RegionAvailabilityZone kanto/kanto-a does not exist"),
    ]
    store(database, make("PhysicalResource", "server1", {"role": "Server"}), make("RegionAvailabilityZone", "kanto-a"))
    assert problems(database, node) == []
    store(database, node)
    assert users(database, "PhysicalResource", "tokyo", "server1") == (["Node tokyo1/server1"], 1)


def test_a_service_names_images_of_its_region_and_no_network_is_checked(database: Database) -> None:
    store(database, *site())
    service = make("RegionService", "web")
    assert [path for path, _ in problems(database, service)] == ["spec.compute.flavor", "spec.compute.image"]
    with_balancer = make(
        "RegionService",
        "web",
        dict(service.spec.model_dump(mode="json"), loadbalancer={"provider": "lb", "network": "none"}),
    )
    assert [path for path, _ in problems(database, with_balancer)][-1] == "spec.loadbalancer.provider"


def test_services_of_a_project_are_named_in_that_project(database: Database) -> None:
    store(database, *site(), make("Project", "shop", {}), make("RegionService", "web", project="shop"))
    volume = make("Volume", "data", project="shop")
    assert problems(database, volume) == []
    assert problems(database, make("Volume", "data")) == [
        ("spec.attachment.service", "RegionService default/kanto/web does not exist")
    ]
    member = make(
        "GlobalService", "web", {"domain": "a.example.com", "members": [{"region": "kanto", "service": "web"}]}
    )
    assert [path for path, _ in problems(database, member)] == ["spec.members[0].service"]


def test_users_are_children_and_those_who_name_it(database: Database) -> None:
    store(database, *site(), *racks("rack-1", "rack-2"))
    assert users(database, "Floor", "tokyo", "floor-1-1-1") == (["Rack tokyo/rack-1", "Rack tokyo/rack-2"], 2)
    listed, number = users(database, "Datacenter", "tokyo", limit=2)
    assert number == 4  # the cluster, the floor and the racks
    assert listed == ["Cluster tokyo1", "Floor tokyo/floor-1-1-1"]
    assert users(database, "Rack", "tokyo", "rack-1") == ([], 0)


def test_users_leave_out_what_goes_in_the_same_transaction(database: Database) -> None:
    store(database, *site(), *racks("rack-1", "rack-2"))
    going = [key("Rack", "tokyo", "rack-1")]
    found = database.read(lambda tx: references.users(tx, key("Floor", "tokyo", "floor-1-1-1"), ignoring=going))
    assert found == (["Rack tokyo/rack-2"], 1)


def test_a_project_is_used_by_what_is_its_own(database: Database) -> None:
    store(database, make("Project", "shop", {}), make("RegionService", "web", project="shop"))
    assert users(database, "Project", "shop") == (["RegionService shop/kanto/web"], 1)


def test_users_follow_updates_and_deletes(database: Database) -> None:
    store(database, *site(), make("Floor", "floor-1-2-1"), *racks("rack-1"))
    moved = make("Rack", "rack-1", {"floor": "floor-1-2-1"})
    database.write(lambda tx: resources.update(tx, [moved]))
    assert users(database, "Floor", "tokyo", "floor-1-1-1") == ([], 0)
    assert users(database, "Floor", "tokyo", "floor-1-2-1") == (["Rack tokyo/rack-1"], 1)
    database.write(lambda tx: resources.delete(tx, [key("Rack", "tokyo", "rack-1")]))
    assert users(database, "Floor", "tokyo", "floor-1-2-1") == ([], 0)


def test_used_tells_for_many_at_once(database: Database) -> None:
    store(database, *site(), *racks("rack-1"))
    keys = [
        key("Floor", "tokyo", "floor-1-1-1"),
        key("Rack", "tokyo", "rack-1"),
        key("Datacenter", "tokyo"),
        key("Datacenter", "none"),
    ]
    assert database.read(lambda tx: references.used(tx, keys)) == {keys[0], keys[2]}
