"""Where the Computes of a service count: the same whether they are read as facts or as models."""

from __future__ import annotations

import pytest

from controller.clock import VirtualClock
from controller.cluster.unit_of_work import service_computes
from controller.cluster.unit_of_work.service_computes import counted_nodes, read_computes, read_counted
from controller.store import resources
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute

pytestmark = pytest.mark.design("J4")

WEB = "default/kanto/web"


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    made = sqlite_databases.new(Tier.CLUSTER, clock, CLUSTER)
    states = {
        "web-0": {"status": "Active", "observed": {"node": "n1"}},
        "web-1": {"status": "Active", "observed": {"node": "n1", "migrating_to": "n2"}},
        "web-2": {"status": "Deleting", "observed": {"node": "n3"}},
        "web-3": {"status": "Deleting:Scheduled", "observed": {"node": "n3", "migrating_to": "n4"}},
        "web-4": {"status": "Initializing", "observed": {}},
        "other-0": {"status": "Active", "observed": {"node": "n1"}},
    }
    rows = [compute(name).model_copy(update=fields) for name, fields in states.items()]
    made.write(lambda tx: resources.insert(tx, rows))
    return made


def test_one_that_moves_counts_on_both_nodes_and_one_that_is_being_deleted_on_none(db: Database) -> None:
    counted = db.read(lambda tx: read_counted(tx, {WEB}))
    assert counted == [(WEB, "n1"), (WEB, "n1"), (WEB, "n2")]
    assert db.read(lambda tx: read_counted(tx, set())) == []


def test_facts_and_models_say_the_same(db: Database) -> None:
    rows = db.read(lambda tx: read_computes(tx, [WEB]))
    assert [(each.service_path, node) for each in rows for node in counted_nodes(each)] == db.read(
        lambda tx: read_counted(tx, {WEB})
    )


def test_few_services_and_many_are_read_alike(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    services = [WEB, "default/kanto/other", "default/kanto/none"]
    one_by_one = db.read(lambda tx: read_computes(tx, services))
    monkeypatch.setattr(service_computes, "_FEW", 0)
    together = db.read(lambda tx: read_computes(tx, services))
    assert len(one_by_one) == 6
    assert sorted(each.name for each in one_by_one) == sorted(each.name for each in together)
