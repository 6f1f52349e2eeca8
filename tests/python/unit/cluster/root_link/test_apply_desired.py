"""Desired states of the root, applied to the database owner by owner."""

from __future__ import annotations

import pytest

from controller.cluster import owner_documents
from controller.cluster.root_link import apply_desired
from controller.cluster.root_link.apply_desired import OwnerState
from controller.errors import Conflict, InvalidInput, StaleTerm
from controller.model.compute import COMPUTE, Compute
from controller.model.node import Node
from controller.model.registry import key_of
from controller.store import resources
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, compute, node

WEB = "RegionService default/kanto/web"


@pytest.fixture
def db(sqlite_databases: Databases) -> Database:
    return sqlite_databases.new(Tier.CLUSTER, cluster=CLUSTER)


def send_desired(db: Database, *documents: Compute | Node, owner: str = WEB, digest: str = "d1", term: int = 1) -> None:
    db.write(lambda tx: apply_desired.apply(tx, term, [OwnerState(owner, digest, documents)]))


def rows(db: Database) -> dict[str, Compute]:
    return {row.name: row for row in db.read(lambda tx: resources.list_all(tx, COMPUTE))}


def set_status(db: Database, name: str, status: str) -> None:
    row = rows(db)[name].model_copy(update={"status": status})
    db.write(lambda tx: resources.update(tx, [row]))


@pytest.mark.design("K5", "H5")
def test_new_computes_are_initializing_with_the_roots_identity_and_the_digest_is_kept(db: Database) -> None:
    send_desired(db, compute("web-0"), compute("web-1"))
    assert {name: row.status for name, row in rows(db).items()} == {"web-0": "Initializing", "web-1": "Initializing"}
    assert rows(db)["web-0"].uid == compute("web-0").uid
    assert db.read(apply_desired.digests) == {WEB: "d1"}


@pytest.mark.design("K3")
def test_what_is_no_longer_listed_is_deleting_and_stays_until_its_node_has_spoken(db: Database) -> None:
    send_desired(db, compute("web-0"), compute("web-1"))
    send_desired(db, compute("web-0"), digest="d2")
    assert {name: row.status for name, row in rows(db).items()} == {"web-0": "Initializing", "web-1": "Deleting"}
    assert rows(db)["web-1"].request_method == "Delete"
    assert db.read(apply_desired.digests) == {WEB: "d2"}


@pytest.mark.design("K3", "G1")
def test_the_disks_of_a_compute_are_deleted_only_if_the_root_names_it(db: Database) -> None:
    """A root that was restored does not list what was made since its backup."""
    send_desired(db, *(compute(f"web-{index}") for index in range(3)))
    named = frozenset([compute("web-2").uid])
    state = OwnerState(WEB, "d2", [compute("web-0")], deleted_uids=named)
    db.write(lambda tx: apply_desired.apply(tx, 1, [state]))
    kept = {name: row.facts.keep_disks for name, row in rows(db).items() if row.is_deleting}
    assert kept == {"web-1": True, "web-2": False}
    db.write(lambda tx: apply_desired.apply(tx, 1, [OwnerState(WEB, "", gone=True)]))
    assert rows(db)["web-0"].facts.keep_disks, "the root does not know the service at all"


def test_services_do_not_touch_each_others_computes(db: Database) -> None:
    send_desired(db, compute("web-0"))
    send_desired(db, compute("shop-0"), owner="RegionService default/kanto/shop")
    assert {row.status for row in rows(db).values()} == {"Initializing"}


@pytest.mark.design("K5", "D3")
def test_a_new_revision_of_an_active_compute_is_updating_at_once(db: Database) -> None:
    send_desired(db, compute("web-0"))
    set_status(db, "web-0", "Active")
    send_desired(db, compute("web-0").model_copy(update={"revision": 2}), digest="d2")
    assert rows(db)["web-0"].status == "Updating"
    assert rows(db)["web-0"].request_method == "Update"


def test_the_same_state_again_changes_nothing(db: Database) -> None:
    send_desired(db, compute("web-0"))
    before = rows(db)["web-0"].resource_version
    send_desired(db, compute("web-0"))
    assert rows(db)["web-0"].resource_version == before


def test_a_name_that_comes_back_with_another_identity_waits_until_the_old_one_is_deleted(db: Database) -> None:
    send_desired(db, compute("web-0"))
    again = compute("web-0").model_copy(update={"uid": "another"})
    send_desired(db, again, digest="d2")
    assert rows(db)["web-0"].status == "Deleting"
    assert db.read(apply_desired.digests) == {}, "the root is to send it again"
    db.write(lambda tx: resources.delete(tx, [key_of(again)]))
    send_desired(db, again, digest="d2")
    assert rows(db)["web-0"].uid == "another"
    assert db.read(apply_desired.digests) == {WEB: "d2"}


@pytest.mark.design("H2")
def test_a_term_below_the_highest_seen_is_refused_and_changes_nothing(db: Database) -> None:
    send_desired(db, compute("web-0"), term=7)
    with pytest.raises(StaleTerm, match="7 was seen"):
        send_desired(db, compute("web-1"), term=6)
    assert sorted(rows(db)) == ["web-0"]
    send_desired(db, compute("web-0"), compute("web-1"), term=8)
    with pytest.raises(StaleTerm):
        send_desired(db, term=7)


def test_a_deleted_owner_leaves_no_digest(db: Database) -> None:
    send_desired(db, compute("web-0"))
    db.write(lambda tx: apply_desired.apply(tx, 1, [OwnerState(WEB, "", (), gone=True)]))
    assert db.read(apply_desired.digests) == {}
    assert rows(db)["web-0"].status == "Deleting"


@pytest.mark.design("G6")
def test_a_nodes_desired_state_keeps_what_its_agent_reported(db: Database) -> None:
    owner = f"Node {CLUSTER}/n1"
    send_desired(db, node("n1", "r1"), owner=owner)
    row = db.read(lambda tx: resources.get(tx, key_of(node("n1", "r1"))))
    assert row.state == "Unknown"
    row.observed["capacity"] = {"vcpus": 4}
    db.write(lambda tx: resources.update(tx, [row]))
    send_desired(db, node("n1", "r2", drain=True), owner=owner, digest="d2")
    row = db.read(lambda tx: resources.get(tx, key_of(node("n1", "r1"))))
    assert row.observed["capacity"] == {"vcpus": 4}
    assert row.observed["zones"]["rack"] == "r2"
    assert row.spec.drain


@pytest.mark.design("G6", "F3")
def test_a_node_that_is_wanted_again_before_it_went_stays_and_can_be_drained(db: Database) -> None:
    owner = f"Node {CLUSTER}/n1"
    send_desired(db, node("n1", "r1"), owner=owner)
    db.write(lambda tx: apply_desired.apply(tx, 1, [OwnerState(owner, "", (), gone=True)]))
    assert db.read(lambda tx: resources.get(tx, key_of(node("n1", "r1")))).status == "Deleting"
    send_desired(db, node("n1", "r1", drain=True), owner=owner, digest="d2")
    row = db.read(lambda tx: resources.get(tx, key_of(node("n1", "r1"))))
    assert row.status == "Active"
    assert row.spec.drain
    assert db.read(apply_desired.digests) == {owner: "d2"}


def test_an_owner_may_not_bring_documents_of_other_kinds() -> None:
    with pytest.raises(InvalidInput, match="may not have a document of kind 'Node'"):
        owner_documents.parse(WEB, [node("n1", "r1").model_dump_json().encode()])


@pytest.mark.design("H2", "H5")
def test_a_state_that_comes_late_does_not_undo_a_newer_one(db: Database) -> None:
    """As from a process of the API that was stopped in the middle, and woke."""

    def say(term: int, sequence: int, *documents: Compute, gone: bool = False) -> None:
        states = [OwnerState(WEB, f"d{sequence}", documents, gone=gone)]
        db.write(lambda tx: apply_desired.apply(tx, term, states, sequence))

    say(1, 7, compute("web-0"), compute("web-1"))
    say(1, 7, compute("web-0"), compute("web-1"))
    with pytest.raises(Conflict, match="as of version 7 already; this is as of 6"):
        say(1, 6, compute("web-0"))
    assert {row.status for row in rows(db).values()} == {"Initializing"}
    assert db.read(apply_desired.digests) == {WEB: "d7"}
    say(2, 5, gone=True)  # the next master's versions are its own: its term says who is newer
    with pytest.raises(Conflict):
        say(2, 4, compute("web-2"))
    assert "web-2" not in rows(db)
    assert db.read(apply_desired.digests) == {}


@pytest.mark.design("G1", "G4")
def test_another_root_is_refused_until_the_cluster_has_forgotten_its_own(db: Database) -> None:
    """A root that was set up again asks for nothing: to obey it would remove everything."""
    db.write(lambda tx: apply_desired.check_site(tx, "s1"))
    send_desired(db, compute("web-0"), term=9)
    db.write(lambda tx: apply_desired.check_site(tx, "s1"))
    with pytest.raises(Conflict, match="is of site s1, and the calling root is s2: restore the root's backup"):
        db.write(lambda tx: apply_desired.check_site(tx, "s2"))
    assert db.write(apply_desired.forget_root)
    db.write(lambda tx: apply_desired.check_site(tx, "s2"))
    send_desired(db, compute("web-0"), compute("web-1"), digest="d2", term=1)
    assert set(rows(db)) == {"web-0", "web-1"}


def test_a_cluster_without_a_root_forgets_none(db: Database) -> None:
    assert not db.write(apply_desired.forget_root)


def test_a_root_without_an_identity_is_refused_where_one_is_known(db: Database) -> None:
    db.write(lambda tx: apply_desired.check_site(tx, ""))
    db.write(lambda tx: apply_desired.check_site(tx, "s1"))
    with pytest.raises(Conflict, match="is of none"):
        db.write(lambda tx: apply_desired.check_site(tx, ""))
