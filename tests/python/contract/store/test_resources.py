"""Resources: what is stored comes back, lists are filtered and paged in the database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controller.clock import VirtualClock
from controller.errors import Conflict, InvalidInput, NotFound
from controller.model.registry import key_of
from controller.store import changes, resources
from controller.store.database import Database
from controller.store.selectors import parse_labels
from tests.python.contract.store.samples import key, make, racks, store

pytestmark = pytest.mark.design("F2", "G1")


def names(db: Database, kind: str = "Rack", **filters: object) -> list[str]:
    found = db.read(lambda tx: resources.list_all(tx, kind, **filters))  # type: ignore[call-overload]
    return [item.name for item in found]


def test_stored_resources_come_back_with_identity_version_and_times(database: Database) -> None:
    stored = store(database, *racks("rack-1", "rack-2"))
    assert len({item.uid for item in stored}) == 2
    assert all(item.uid for item in stored)
    assert [item.resource_version for item in stored] == [2, 3]  # 1 is the project "default"
    assert stored[0].created_at == stored[0].updated_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert database.read(lambda tx: resources.get(tx, key("Rack", "tokyo", "rack-1"))) == stored[0]
    assert database.read(lambda tx: resources.get_by_uid(tx, stored[1].uid)) == stored[1]


def test_what_does_not_exist_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound, match="Rack tokyo/none does not exist"):
        database.read(lambda tx: resources.get(tx, key("Rack", "tokyo", "none")))
    with pytest.raises(NotFound):
        database.read(lambda tx: resources.get_by_uid(tx, "none"))
    with pytest.raises(NotFound):
        database.write(lambda tx: resources.update(tx, racks("none")))
    assert database.read(lambda tx: resources.find(tx, key("Rack", "tokyo", "none"))) is None


def test_a_name_is_taken_once_and_nothing_of_the_batch_is_stored(database: Database) -> None:
    store(database, *racks("rack-1"))
    with pytest.raises(Conflict, match="Rack tokyo/rack-1 exists already"):
        store(database, *racks("rack-2", "rack-1"))
    with pytest.raises(Conflict, match="given twice"):
        store(database, *racks("rack-3", "rack-3"))
    assert names(database) == ["rack-1"]


def test_a_service_name_is_taken_per_project_and_region(database: Database) -> None:
    store(database, make("RegionService", "web"), make("RegionService", "web", project="shop"))
    found = database.read(lambda tx: resources.get(tx, key("RegionService", "kanto", "web", project="shop")))
    assert found.project == "shop"
    assert names(database, "RegionService", project="shop") == ["web"]
    assert names(database, "RegionService", parents=("kanto",)) == ["web", "web"]


def test_an_update_keeps_identity_and_time_of_creation(database: Database, clock: VirtualClock) -> None:
    (stored,) = store(database, *racks("rack-1"))
    clock.shift(60)
    (asked,) = racks("rack-1", labels={"env": "lab"})
    (updated,) = database.write(lambda tx: resources.update(tx, [asked]))
    assert (updated.uid, updated.created_at) == (stored.uid, stored.created_at)
    assert updated.resource_version == stored.resource_version + 1
    assert updated.updated_at == clock.now()
    assert database.read(lambda tx: resources.get(tx, key_of(asked))) == updated


def test_an_update_of_a_resource_made_anew_is_refused(database: Database) -> None:
    (old,) = store(database, *racks("rack-1"))
    database.write(lambda tx: resources.delete(tx, [key_of(old)]))
    store(database, *racks("rack-1"))
    with pytest.raises(Conflict, match="created again"):
        database.write(lambda tx: resources.update(tx, [old]))


def test_deleting_what_is_gone_has_no_effect(database: Database) -> None:
    (stored,) = store(database, *racks("rack-1"))
    database.write(lambda tx: resources.delete(tx, [key_of(stored), key("Rack", "tokyo", "none")]))
    version = database.read(changes.head)
    database.write(lambda tx: resources.delete(tx, [key_of(stored)]))
    assert names(database) == []
    assert database.read(changes.head) == version


def test_a_failed_write_leaves_nothing(database: Database) -> None:
    def fail(tx: object) -> None:
        resources.insert(tx, racks("rack-1"))  # type: ignore[arg-type]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        database.write(fail)
    assert names(database) == []
    assert database.read(changes.head) == 1


def test_pages_follow_the_order_of_paths(database: Database) -> None:
    store(database, *racks("b", "a-1", "a", "c", "a0"))
    seen, after = [], None
    while True:
        page = database.read(lambda tx, last=after: resources.list_page(tx, "Rack", limit=2, after=last))  # type: ignore[misc]
        seen += [item.name for item in page.items]
        assert page.resource_version == 6
        after = page.next_after
        if after is None:
            break
    assert seen == ["a", "a-1", "a0", "b", "c"]


def test_lists_are_of_one_parent(database: Database) -> None:
    store(database, *racks("rack-1"), *racks("rack-2", datacenter="tokyo2"))
    assert names(database, parents=("tokyo",)) == ["rack-1"]
    ports = [
        make("NetworkV4Port", name, cluster="tokyo1", network=network) for name, network in (("p", "a"), ("p", "b"))
    ]
    store(database, *ports, make("NetworkV4Port", "q", cluster="tokyo10", network="a"))
    assert len(names(database, "NetworkV4Port", parents=("tokyo1",))) == 2
    assert len(names(database, "NetworkV4Port", parents=("tokyo1", "a"))) == 1
    assert database.read(lambda tx: resources.count(tx, "NetworkV4Port", parents=("tokyo1",))) == 2


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("env=lab", ["a"]),
        ("env", ["a", "b"]),
        ("!env", ["c", "d"]),
        ("env!=lab", ["b", "c", "d"]),
        ("env in (lab, live)", ["a", "b"]),
        ("env notin (lab)", ["b", "c", "d"]),
        ("env,tier=gold", ["b"]),
        ("example.com/tier=gold", ["c"]),
        ("a.b=1", ["d"]),
        ("env=", []),
    ],
)
def test_label_filters(database: Database, labels: str, expected: list[str]) -> None:
    store(
        database,
        *racks("a", labels={"env": "lab"}),
        *racks("b", labels={"env": "live", "tier": "gold"}),
        *racks("c", labels={"example.com/tier": "gold"}),
        *racks("d", labels={"a.b": "1"}),
    )
    assert names(database, labels=parse_labels(labels)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"spec.physical_resource": "server1"}, ["a"]),
        ({"spec.physical_resource": ""}, ["b"]),
        ({"spec.schedulable": "false"}, ["b"]),
        ({"spec.schedulable": "true"}, ["a"]),
        ({"spec.auto_cordon_interval": "300"}, ["a", "b"]),
        ({"spec.providers.0": "libvirt"}, ["a"]),
        ({"state": "Up"}, ["a"]),
        ({"state": "Up", "spec.schedulable": "false"}, []),
        ({"cluster": "tokyo1"}, ["a", "b"]),
        ({"observed.zones.rack": "rack-1"}, ["b"]),
        ({"observed.none": "x"}, []),
    ],
)
def test_field_filters(database: Database, fields: dict[str, str], expected: list[str]) -> None:
    first = make("Node", "a", {"physical_resource": "server1", "providers": ["libvirt"]})
    second = make("Node", "b", {"schedulable": False})
    first.state, second.observed = "Up", {"zones": {"rack": "rack-1"}}
    store(database, first, second)
    assert names(database, "Node", fields=fields) == expected


@pytest.mark.parametrize("field", ["none", "spec.none", "spec.a b", 'spec."x', "spec..x"])
def test_an_unknown_field_is_named(database: Database, field: str) -> None:
    with pytest.raises(InvalidInput, match=r"Rack has no field"):
        names(database, fields={field: "x"})


def test_unlogged_writes_take_no_version(database: Database) -> None:
    record = make("AuditRecord", "1")
    database.write(lambda tx: resources.insert(tx, [record], log=False))
    database.write(lambda tx: resources.update(tx, [record], log=False))
    assert names(database, "AuditRecord") == ["1"]
    database.write(lambda tx: resources.delete(tx, [key_of(record)], log=False))
    assert database.read(changes.head) == 1
