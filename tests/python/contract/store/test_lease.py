"""Leases and fences (H2): one master per term, and no write of a former one counts."""

from __future__ import annotations

import threading

import pytest

from controller.clock import VirtualClock
from controller.errors import StaleTerm
from controller.store import lease, resources
from controller.store.database import Database, Fence, Tier
from controller.store.lease import Lease
from tests.python.contract.store.samples import racks
from tests.python.databases import Databases

pytestmark = pytest.mark.design("H2", "F4")

NAME = "resource-controller"


def reassign(db: Database, holder: str, observed_term: int = 0) -> Lease:
    return db.write(lambda tx: lease.reassign(tx, NAME, holder, observed_term, 15))


def write(db: Database, term: int, name: str = "rack-1") -> None:
    db.write(lambda tx: resources.insert(tx, racks(name)), fence=Fence(NAME, term))


def test_the_first_to_ask_is_master_and_the_second_is_told_so(database: Database, clock: VirtualClock) -> None:
    assert database.read(lambda tx: lease.get(tx, NAME)) is None
    first = reassign(database, "one")
    assert (first.holder, first.term) == ("one", 1)
    assert (first.expires_at - clock.now()).total_seconds() == 15
    assert reassign(database, "two") == first
    assert reassign(database, "two", 1) == first


def test_an_expired_lease_goes_to_who_saw_its_term(database: Database, clock: VirtualClock) -> None:
    reassign(database, "one")
    clock.shift(15)
    assert reassign(database, "two", 7).holder == "one"
    second = reassign(database, "two", 1)
    assert (second.holder, second.term) == ("two", 2)
    assert reassign(database, "three", 1) == second


def test_a_renewed_lease_lasts(database: Database, clock: VirtualClock) -> None:
    reassign(database, "one")
    clock.shift(10)
    database.write(lambda tx: lease.renew(tx, NAME, "one", 1, 15))
    clock.shift(10)
    assert reassign(database, "two", 1).holder == "one"


def test_a_process_that_started_again_gets_a_new_term(database: Database) -> None:
    assert reassign(database, "one").term == 1
    assert reassign(database, "one", 1).term == 1
    assert reassign(database, "one", 0).term == 2
    with pytest.raises(StaleTerm):
        write(database, 1)


def test_a_lease_given_back_is_free_at_once_and_its_term_no_longer_counts(database: Database) -> None:
    reassign(database, "one")
    database.write(lambda tx: lease.release(tx, NAME, "two", 1))
    assert reassign(database, "two", 1).holder == "one"
    database.write(lambda tx: lease.release(tx, NAME, "one", 1))
    with pytest.raises(StaleTerm):
        write(database, 1)
    assert reassign(database, "two", 1) == database.read(lambda tx: lease.get(tx, NAME))
    assert reassign(database, "two", 2).term == 2


def test_a_master_that_slept_past_its_lease_cannot_write(database: Database, clock: VirtualClock) -> None:
    reassign(database, "one")
    write(database, 1)
    clock.shift(16)
    write(database, 1, "rack-2")  # nobody took over: still the only master
    reassign(database, "two", 1)
    with pytest.raises(StaleTerm, match="wrote with term 1, but term 2 is current"):
        write(database, 1, "rack-3")
    with pytest.raises(StaleTerm):
        database.write(lambda tx: lease.renew(tx, NAME, "one", 1, 15))
    write(database, 2, "rack-4")
    assert database.read(lambda tx: resources.count(tx, "Rack")) == 3


def test_a_fence_without_a_lease_is_refused(database: Database) -> None:
    with pytest.raises(StaleTerm, match="no term"):
        write(database, 1)


def test_of_many_that_ask_at_once_one_becomes_master(databases: Databases, clock: VirtualClock) -> None:
    url = databases.url()
    opened = [databases.open(url, Tier.ROOT, clock) for _ in range(4)]
    answers: list[Lease] = []
    threads = [
        threading.Thread(target=lambda db=db, name=f"c{number}": answers.append(reassign(db, name)))
        for number, db in enumerate(opened)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1


def test_without_a_clock_the_database_tells_the_time(databases: Databases) -> None:
    db = databases.new(Tier.ROOT)
    first = reassign(db, "one")
    assert db.read(lambda tx: tx.now) < first.expires_at
