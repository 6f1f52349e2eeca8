"""Events and audit records."""

from __future__ import annotations

from functools import partial

import pytest

from controller.clock import VirtualClock
from controller.model.event import AUDIT_RECORD, EVENT, AuditRecordSpec, EventLevel
from controller.store import audit, changes, events, resources
from controller.store.database import Database
from controller.store.events import Occurrence

pytestmark = pytest.mark.design("F2")

WEB = ("Compute", "shop/kanto/web-0")


def test_the_same_event_again_raises_its_count(database: Database, clock: VirtualClock) -> None:
    first = database.write(lambda tx: events.record(tx, *WEB, "ImageInvalid", "bad checksum", "Warning"))
    clock.shift(60)
    second = database.write(lambda tx: events.record(tx, *WEB, "ImageInvalid", "bad checksum", EventLevel.WARNING))
    database.write(lambda tx: events.record(tx, *WEB, "Scheduled", "placed on server1"))
    assert second.uid == first.uid
    assert second.project == "shop"
    assert (second.spec.count, second.spec.first_at, second.spec.last_at) == (2, first.spec.last_at, clock.now())
    assert [event.spec.reason for event in database.read(lambda tx: events.of(tx, *WEB))] in (
        ["ImageInvalid", "Scheduled"],
        ["Scheduled", "ImageInvalid"],
    )
    assert database.read(lambda tx: events.of(tx, "Compute", "shop/kanto/web-1")) == []


def test_many_events_are_recorded_at_once_and_in_order(database: Database) -> None:
    what = [Occurrence("Node", "tokyo1/a", "Down"), Occurrence("Node", "tokyo1/b", "Down")]
    stored = database.write(lambda tx: events.record_many(tx, [*what, what[0]]))
    assert [event.spec.resource for event in stored] == ["tokyo1/a", "tokyo1/b", "tokyo1/a"]
    assert [event.spec.count for event in stored] == [2, 1, 2]
    assert database.read(lambda tx: resources.count(tx, "Event")) == 2


def test_the_oldest_events_are_pruned(database: Database, clock: VirtualClock) -> None:
    for name in "abcab":
        clock.shift(1)
        database.write(lambda tx, name=name: events.record(tx, "Node", f"tokyo1/{name}", "Down"))  # type: ignore[misc]
    assert database.write(lambda tx: events.prune(tx, keep=2)) == 1
    left = database.read(lambda tx: resources.list_all(tx, EVENT))
    assert sorted(event.spec.resource for event in left) == ["tokyo1/a", "tokyo1/b"]


def test_a_long_message_is_cut(database: Database) -> None:
    event = database.write(lambda tx: events.record(tx, *WEB, "Failed", "x" * 5000))
    assert len(event.spec.message) == 1024


def test_audit_records_are_in_order_and_outside_the_change_log(database: Database, clock: VirtualClock) -> None:
    version = database.read(changes.head)
    for verb in ("PutRack", "DeleteRack"):
        clock.shift(1)
        asked = AuditRecordSpec(token="ops", verb=verb, resource="tokyo/rack-1")
        database.write(partial(audit.record, asked=asked))
    records = database.read(lambda tx: resources.list_all(tx, AUDIT_RECORD))
    assert [(one.spec.token, one.spec.verb, one.spec.outcome) for one in records] == [
        ("ops", "PutRack", "ok"),
        ("ops", "DeleteRack", "ok"),
    ]
    assert records[1].spec.at == clock.now()
    assert database.read(changes.head) == version
    assert database.write(lambda tx: audit.prune(tx, before=clock.now())) == 1
    assert database.read(lambda tx: resources.count(tx, "AuditRecord")) == 1
