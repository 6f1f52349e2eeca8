"""Claims: one owner for each value, freed with the owner."""

from __future__ import annotations

import threading

import pytest

from controller.clock import VirtualClock
from controller.errors import Conflict
from controller.model.registry import key_of
from controller.store import claims, resources
from controller.store.claims import Claim
from controller.store.database import Database, Tier
from tests.python.contract.store.samples import make, store
from tests.python.databases import Databases

pytestmark = pytest.mark.design("D2")


def take(db: Database, *wanted: Claim) -> None:
    db.write(lambda tx: claims.take(tx, wanted))


def test_a_taken_value_names_its_owner_and_nothing_is_taken(database: Database) -> None:
    (service,) = store(database, make("RegionService", "web"))
    take(database, Claim("host", "web-0", service.uid))
    with pytest.raises(Conflict, match="host web-0 is taken by RegionService default/kanto/web") as caught:
        take(database, Claim("host", "web-1", "u2"), Claim("host", "web-0", "u2"))
    assert caught.value.users == ("RegionService default/kanto/web",)
    assert database.read(lambda tx: claims.taken(tx, "host")) == {"web-0": service.uid}


def test_taking_again_what_one_has_is_no_conflict(database: Database) -> None:
    take(database, Claim("host", "a", "u1"))
    take(database, Claim("host", "a", "u1"), Claim("host", "b", "u1"), Claim("slot", "a", "u2"))
    assert database.read(lambda tx: claims.taken(tx, "host")) == {"a": "u1", "b": "u1"}


def test_one_value_for_two_owners_is_a_conflict(database: Database) -> None:
    with pytest.raises(Conflict, match="requested twice"):
        take(database, Claim("host", "a", "u1"), Claim("host", "a", "u2"))


def test_values_are_freed_by_value_by_owner_and_with_the_owner(database: Database) -> None:
    (service,) = store(database, make("RegionService", "web"))
    take(database, *(Claim("host", name, service.uid) for name in "ab"), *(Claim("host", name, "u2") for name in "cd"))
    database.write(lambda tx: claims.free_values(tx, [("host", "c"), ("host", "none")]))
    assert database.read(lambda tx: claims.owner_of(tx, "host", "c")) is None
    database.write(lambda tx: claims.free(tx, "u2"))
    assert set(database.read(lambda tx: claims.taken(tx, "host"))) == {"a", "b"}
    database.write(lambda tx: resources.delete(tx, [key_of(service)]))
    assert database.read(lambda tx: claims.taken(tx, "host")) == {}


def test_of_many_that_take_at_once_one_gets_it(databases: Databases, clock: VirtualClock) -> None:
    url = databases.url()
    outcomes: list[str] = []

    def run(db: Database, owner: str) -> None:
        try:
            take(db, Claim("host", "a", owner))
            outcomes.append(owner)
        except Conflict:
            outcomes.append("conflict")

    opened = [databases.open(url, Tier.ROOT, clock) for _ in range(4)]
    threads = [threading.Thread(target=run, args=(db, f"u{number}")) for number, db in enumerate(opened)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[:3] == ["conflict"] * 3
    assert len(outcomes) == 4
