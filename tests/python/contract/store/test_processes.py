"""Signs of life (A9, F4): heartbeats stay out of the change log."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest

from controller.clock import VirtualClock
from controller.model.service_process import ServiceProcess
from controller.store import changes, processes
from controller.store.database import Database
from controller.store.processes import Beat
from tests.python.contract.store.samples import make
from tests.python.processes import all_processes

pytestmark = pytest.mark.design("A9", "F4")


def process(term: int = 0) -> ServiceProcess:
    spec = {"process_kind": "resource-controller", "endpoint": "127.0.0.1:7441", "term": term}
    return cast(ServiceProcess, make("ServiceProcess", "c1", spec))


def test_the_row_is_written_only_when_something_changed(database: Database, clock: VirtualClock) -> None:
    first = database.write(lambda tx: processes.heartbeat(tx, process()))
    version = database.read(changes.head)
    clock.shift(5)
    second = database.write(lambda tx: processes.heartbeat(tx, process()))
    assert database.read(changes.head) == version
    assert second.uid == first.uid
    assert (first.spec.heartbeat, second.spec.heartbeat) == (clock.now() - timedelta(seconds=5), clock.now())
    assert database.read(all_processes) == [second]
    third = database.write(lambda tx: processes.heartbeat(tx, process(term=1)))
    assert database.read(changes.head) == version + 1
    assert third.spec.term == 1


def test_flushed_heartbeats_are_seen_in_the_list(database: Database, clock: VirtualClock) -> None:
    database.write(lambda tx: processes.heartbeat(tx, process()))
    later = clock.now() + timedelta(seconds=7)
    database.write(lambda tx: processes.flush(tx, {"c1": Beat(later), "gone": Beat(later)}))
    assert [one.spec.heartbeat for one in database.read(all_processes)] == [later]


def test_heartbeats_of_nodes_are_kept_by_name(cluster_database: Database, clock: VirtualClock) -> None:
    db = cluster_database
    now = clock.now()
    db.write(lambda tx: processes.beat(tx, {"a": (now, True, ""), "b": (now, False, "disk full")}))
    later = now + timedelta(seconds=5)
    db.write(lambda tx: processes.beat(tx, {"a": (later, True, "")}))
    assert db.read(processes.beats) == {"a": Beat(later), "b": Beat(now, False, "disk full")}
    db.write(lambda tx: processes.forget(tx, ["a"]))
    assert set(db.read(processes.beats)) == {"b"}
    assert db.read(changes.head) == 0
