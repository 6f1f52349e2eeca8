"""What clusters report, in the root's rows: copies of what is the clusters' own."""

from __future__ import annotations

import json
from typing import cast

import pytest

from controller.model import document
from controller.model.compute import COMPUTE, Compute
from controller.model.event import EVENT, Event
from controller.root.reconcile import observed_state
from controller.store import events, resources
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute, node

WEB = ("Compute", "default/kanto/web-0", "Scheduled", "placed on server1")


@pytest.fixture
def root(sqlite_databases: Databases) -> Database:
    return sqlite_databases.new(Tier.ROOT)


def told_by(databases: Databases, cluster: str) -> Event:
    """The event as a cluster of that name sends it."""
    db = databases.new(Tier.CLUSTER, cluster=cluster)
    event = db.write(lambda tx: events.record(tx, *WEB))
    return event.model_copy(update={"observed": {"cluster": cluster}})


def take(root: Database, *seen: Event, cluster: str = "tokyo1") -> None:
    batch = observed_state.parse(cluster, [each.model_dump_json().encode() for each in seen], ())
    root.write(lambda tx: observed_state.apply(tx, batch))


@pytest.mark.design("H5")
def test_the_same_event_of_another_cluster_stops_nobodys_stream(root: Database, sqlite_databases: Databases) -> None:
    """A service goes from one cluster, and comes again in another on a node of the same name."""
    first, second = told_by(sqlite_databases, "tokyo1"), told_by(sqlite_databases, "tokyo2")
    assert first.name == second.name
    take(root, first)
    take(root, second, cluster="tokyo2")
    copies = root.read(lambda tx: resources.list_all(tx, EVENT))
    assert [(copy.name, copy.uid) for copy in copies] == [
        (f"tokyo1.{first.name}", first.uid),
        (f"tokyo2.{second.name}", second.uid),
    ]
    gone = observed_state.parse("tokyo1", (), [f"Event {first.name}"])
    root.write(lambda tx: observed_state.apply(tx, gone))
    (left,) = root.read(lambda tx: resources.list_all(tx, EVENT))
    assert left.uid == second.uid, "one cluster's deletion is not another's"
    root.write(lambda tx: observed_state.delete_unlisted(tx, "tokyo2", set()))
    assert root.read(lambda tx: resources.count(tx, EVENT.name)) == 0


@pytest.mark.design("H5")
def test_an_event_made_anew_replaces_its_copy(root: Database, sqlite_databases: Databases) -> None:
    """The cluster pruned it, and the same happened again."""
    take(root, told_by(sqlite_databases, "tokyo1"))
    again = told_by(sqlite_databases, "tokyo1")
    take(root, again)
    (copy,) = root.read(lambda tx: resources.list_all(tx, EVENT))
    assert copy.uid == again.uid


@pytest.mark.design("H5", "K1")
def test_what_is_said_of_a_compute_that_was_made_again_is_not_taken_for_the_old_one() -> None:
    row = cast(Compute, document.parse(COMPUTE.example)).model_copy(update={"uid": "new", "status": "Initializing"})
    seen = row.model_copy(update={"uid": "old", "status": "Active", "state": "Running"})
    assert observed_state.merge(row, seen) is row


@pytest.mark.design("H5")
def test_a_copy_is_written_only_when_it_differs(root: Database, sqlite_databases: Databases) -> None:
    event = told_by(sqlite_databases, "tokyo1")
    take(root, event)
    (before,) = root.read(lambda tx: resources.list_all(tx, EVENT))
    take(root, event)
    (after,) = root.read(lambda tx: resources.list_all(tx, EVENT))
    assert after.resource_version == before.resource_version


@pytest.mark.design("H5", "G1")
def test_that_an_agent_has_registered_is_stored_and_no_report_takes_it_back() -> None:
    """One process remembered it: after its restart a restored cluster did not wait for the node."""
    planned = node("server1", "r1")
    assert not observed_state.merge(planned, node("server1", "r1")).observed.get("registered")
    joined = observed_state.merge(planned, planned.model_copy(update={"observed": {"capacity": {"vcpus": 4}}}))
    restored = observed_state.merge(joined, planned.model_copy(update={"observed": {}}))
    assert restored.observed == {"registered": True}
    assert observed_state.merge(restored, planned.model_copy(update={"observed": {}})) is restored


@pytest.mark.design("H5", "A5")
def test_a_report_that_cannot_be_read_costs_no_other_and_does_not_count_as_deleted() -> None:
    """It broke the link to its cluster, again with each connection."""
    good, bad = compute("web-0"), compute("web-1").model_dump(mode="json")
    bad["spec"] = 7
    batch = observed_state.parse(CLUSTER, [json.dumps(bad).encode(), good.model_dump_json().encode()], ())
    assert [row.name for row in batch.resources] == ["web-0"]
    assert batch.unreadable == {"Compute default/kanto/web-1"}
    assert batch.whole
    for text in (b"{", b"[]", b'{"kind": "Compute", "spec": {}}'):
        assert not observed_state.parse(CLUSTER, [text], ()).whole
