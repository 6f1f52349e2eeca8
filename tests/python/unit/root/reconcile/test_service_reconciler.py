"""The life of a RegionService, step by step, with the cluster played by hand (K1-K5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.clock import VirtualClock
from controller.errors import AddressesExhausted, InternalError, NotFound
from controller.model.envelope import Status
from controller.model.image import IMAGE
from controller.root.reconcile import not_applied
from controller.root.reconcile.service_reconciler import Next
from controller.store import resources
from controller.store.database import Database, Tier
from tests.python.unit.root.site import POWER, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    db = Database(f"sqlite:///{tmp_path}/root.sqlite", tier=Tier.ROOT, clock=VirtualClock())
    db.upgrade()
    yield Site(db)
    db.close()


def active(site: Site, replicas: int = 3) -> None:
    """A service that runs with that many Computes."""
    site.put(replicas)
    site.advance()
    site.cluster_takes_in()
    site.cluster_says(Status.ACTIVE)
    site.advance()
    assert site.service().status == Status.ACTIVE


@pytest.mark.design("K1", "K2", "K5", "G1", "A2")
def test_creation_flows_from_initializing_to_active(site: Site) -> None:
    site.put(3)
    assert site.service().status == Status.INITIALIZING
    site.advance()
    assert site.service().status == Status.CREATING
    assert [(item.name, item.status) for item in site.computes()] == [
        ("web-0", "Initializing"),
        ("web-1", "Initializing"),
        ("web-2", "Initializing"),
    ]
    assert site.addresses() == ["172.16.10.10", "172.16.10.11", "172.16.10.12"]
    assert [str(item.spec.interfaces[0].address) for item in site.computes()] == site.addresses()
    site.cluster_says(Status.ACTIVE, "web-0", "web-1")
    site.advance()
    assert site.service().status == Status.CREATING
    site.cluster_says(Status.ACTIVE)
    site.advance()
    assert site.service().status == Status.ACTIVE
    assert site.service().observed["ready"] == 3


@pytest.mark.design("K5")
def test_a_step_without_news_writes_nothing(site: Site) -> None:
    active(site)
    version = site.service().resource_version
    versions = [item.resource_version for item in site.computes()]
    site.advance()
    assert site.service().resource_version == version
    assert [item.resource_version for item in site.computes()] == versions


@pytest.mark.design("K2")
def test_more_replicas_make_the_next_computes(site: Site) -> None:
    active(site, 2)
    site.put(4)
    site.advance()
    assert site.alive() == ["web-0", "web-1", "web-2", "web-3"]
    assert site.service().status == Status.UPDATING


def test_a_service_with_a_label_of_the_old_form_gets_computes(site: Site) -> None:
    active(site, 2)
    site.put(3)
    site._update(site.service(), labels={"my_org/Tier": "gold"})
    site.advance()
    assert site.alive() == ["web-0", "web-1", "web-2"]
    assert site.computes()[-1].labels == {"my_org/Tier": "gold"}


@pytest.mark.design("K3")
def test_fewer_replicas_take_the_tail(site: Site) -> None:
    active(site, 4)
    site.put(2)
    site.advance()
    assert site.alive() == ["web-0", "web-1"]
    assert site.names() == ["web-0", "web-1", "web-2", "web-3"]


@pytest.mark.design("K3", "D7")
def test_an_address_is_free_only_when_the_cluster_has_let_go(site: Site) -> None:
    active(site, 3)
    site.put(2)
    site.advance()
    site.advance()
    assert len(site.addresses()) == 3, "the cluster has not even heard of it"
    site.cluster_takes_in()
    site.advance()
    assert len(site.addresses()) == 3, "the machine is still listed"
    site.cluster_removed("web-2")
    site.advance()
    assert site.names() == ["web-0", "web-1"]
    assert len(site.addresses()) == 2


@pytest.mark.design("K3")
def test_a_compute_not_listed_before_the_wish_arrived_is_kept(site: Site) -> None:
    """The Observe stream may lag: a Compute it has not shown yet may still be made."""
    site.put(2)
    site.advance()
    site.put(1)
    site.advance()
    assert site.names() == ["web-0", "web-1"], "only an arrived wish proves that it is gone"
    site.cluster_takes_in()
    site.advance()
    assert site.names() == ["web-0"]


@pytest.mark.design("K3", "D7")
def test_a_wish_of_the_same_words_from_before_a_compute_was_made_proves_nothing(site: Site) -> None:
    """The cluster makes web-1, but the stream that would tell of it is late and still names the wish before."""
    active(site, 1)
    site.put(2)
    site.advance()
    site.put(1)
    site.advance()
    site.advance()
    assert site.names() == ["web-0", "web-1"]
    assert len(site.addresses()) == 2
    site.cluster_takes_in()
    site.advance()
    assert site.names() == ["web-0"]
    assert len(site.addresses()) == 1


@pytest.mark.design("K3")
def test_an_index_is_waited_for_while_its_compute_leaves(site: Site) -> None:
    active(site, 3)
    site.put(2)
    site.advance()
    site.put(3)
    site.advance()
    assert site.alive() == ["web-0", "web-1"], "web-2 is still leaving: its name is taken"
    site.cluster_takes_in()
    site.cluster_removed("web-2")
    site.advance()
    assert site.alive() == ["web-0", "web-1", "web-2"]


@pytest.mark.design("K3")
def test_the_lowest_free_index_is_filled_first(site: Site) -> None:
    active(site, 3)
    site.cluster_says(Status.DELETING, "web-1")  # deleted by name: the API also lowers replicas
    site.put(2)
    site.advance()
    site.cluster_takes_in()
    site.cluster_removed("web-1")
    site.advance()
    assert site.names() == ["web-0", "web-2"]
    site.put(3)
    site.advance()
    assert site.alive() == ["web-0", "web-1", "web-2"]


@pytest.mark.design("K1", "K4")
def test_a_deleted_service_goes_with_everything(site: Site) -> None:
    active(site, 2)
    site.delete()
    assert site.advance() is Next.NOTHING
    assert site.alive() == []
    site.cluster_takes_in()
    site.cluster_removed("web-0")
    assert site.advance() is Next.NOTHING
    assert site.names() == ["web-1"]
    site.cluster_removed("web-1")
    assert site.advance() is Next.DELETED
    assert not site.exists()
    assert site.addresses() == []


@pytest.mark.design("K1")
def test_a_service_that_never_found_a_cluster_goes_at_once(site: Site) -> None:
    site.put(2)
    site.delete()
    assert site.advance() is Next.DELETED
    assert not site.exists()


@pytest.mark.design("D3", "K5")
def test_an_update_goes_one_by_one_in_index_order(site: Site) -> None:
    active(site, 3)
    site.put(3, user_data="#cloud-config")
    site.advance()
    assert [item.status for item in site.computes()] == ["Updating", "Active", "Active"]
    assert [item.revision for item in site.computes()] == [2, 1, 1]
    site.advance()
    assert [item.revision for item in site.computes()] == [2, 1, 1], "web-0 is not Active yet"
    site.cluster_says(Status.ACTIVE, "web-0")
    site.advance()
    assert [item.revision for item in site.computes()] == [2, 2, 1]
    site.cluster_says(Status.ACTIVE, "web-1")
    site.advance()
    site.cluster_says(Status.ACTIVE, "web-2")
    site.advance()
    assert [item.revision for item in site.computes()] == [2, 2, 2]
    assert site.service().status == Status.ACTIVE


@pytest.mark.design("D3")
def test_an_update_stops_at_the_first_error(site: Site) -> None:
    active(site, 3)
    site.put(3, user_data="#bad")
    site.advance()
    site.cluster_says(Status.ERROR, "web-0", reason="no such image")
    site.advance()
    assert [item.revision for item in site.computes()] == [2, 1, 1]
    assert site.service().status == Status.ERROR
    assert site.service().status_reason == "web-0: no such image"


@pytest.mark.design("D3")
def test_a_rollback_mends_a_broken_update(site: Site) -> None:
    active(site, 3)
    site.put(3, user_data="#bad")
    site.advance()
    site.cluster_says(Status.ERROR, "web-0", reason="no such image")
    site.put(3)
    site.advance()
    assert [(item.revision, item.status) for item in site.computes()] == [(3, "Updating"), (1, "Active"), (1, "Active")]
    site.cluster_says(Status.ACTIVE, "web-0")
    site.advance()
    assert site.service().status == Status.ACTIVE
    assert [item.revision for item in site.computes()] == [3, 1, 1], "revision 3 is what the others run already"


@pytest.mark.design("D3")
def test_a_live_change_reaches_all_at_once_and_restarts_none(site: Site) -> None:
    active(site, 3)
    site.put(3, shutdown_timeout=5)
    site.advance()
    assert {item.spec.shutdown_timeout for item in site.computes()} == {5}
    assert [(item.revision, item.status) for item in site.computes()] == [(1, "Active")] * 3


@pytest.mark.design("G1")
def test_one_broken_compute_does_not_hold_up_the_others(site: Site) -> None:
    site.put(3)
    site.advance()
    site.cluster_says(Status.ERROR, "web-1", reason="checksum is wrong")
    site.cluster_says(Status.ACTIVE, "web-0", "web-2")
    site.advance()
    assert site.service().status == Status.ERROR
    assert site.service().observed["ready"] == 2


@pytest.mark.design("D7")
def test_an_exhausted_network_writes_nothing(site: Site) -> None:
    site.put(7)  # the pool has six
    with pytest.raises(AddressesExhausted, match="service"):
        site.advance()
    assert site.names() == []
    assert site.addresses() == []


@pytest.mark.design("D7")
def test_an_unknown_network_is_named(site: Site) -> None:
    site.put(1, network_policy={"static_networks": ["nowhere"]})
    with pytest.raises(NotFound, match="nowhere"):
        site.advance()


@pytest.mark.design("K4")
def test_a_loadbalancer_is_made_with_the_service_and_holds_up_active(site: Site) -> None:
    balancer = {"provider": "libvirt", "network": "service", "listeners": [{"port": 80}]}
    template = {"flavor": "small", "image": "guest", "schedule_policy": {"rules": [POWER]}}
    site.put_spec({"replicas": 1, "compute": template, "loadbalancer": balancer})
    site.advance()
    site.cluster_says(Status.ACTIVE)
    site.advance()
    service = site.service()
    assert service.observed["vip"] == "172.16.10.11"
    assert service.status == Status.CREATING, "nothing pretends to be Active"
    site.put_spec({"replicas": 1, "compute": template})
    site.advance()
    site.cluster_takes_in()
    site.advance()
    assert site.addresses() == ["172.16.10.10"], "the VIP went with the Loadbalancer"


@pytest.mark.design("K3", "A5")
def test_a_service_that_its_cluster_has_not_applied_is_in_error_with_the_reason(site: Site) -> None:
    """It was Creating for as long as the cluster broke at it, and only a log said why."""
    active(site)
    owner, reason = "RegionService default/kanto/web", not_applied.text("tokyo1", InternalError("internal error"))
    assert reason == "cluster tokyo1 has not applied this: internal error; it is retried"
    site.db.write(lambda tx: not_applied.show(tx, "tokyo1", owner, reason))
    site.db.write(lambda tx: not_applied.show(tx, "tokyo2", owner, not_applied.text("tokyo2", InternalError("x"))))
    site.advance()
    assert (site.service().status, site.service().status_reason) == (Status.ERROR, reason)
    site.db.write(lambda tx: not_applied.clear(tx, "tokyo2", [owner]))
    assert site.service().facts.not_applied == reason, "another cluster has nothing to say of it"
    site.db.write(lambda tx: not_applied.clear(tx, "tokyo1", [owner]))
    site.advance()
    assert (site.service().status, site.service().status_reason) == (Status.ACTIVE, "")


@pytest.mark.design("D1")
def test_another_url_of_an_image_reaches_running_computes_and_restarts_none(site: Site) -> None:
    active(site)
    revisions = [item.revision for item in site.computes()]
    key = IMAGE.key("kanto", "guest")
    image = site.db.read(lambda tx: resources.get(tx, key))
    moved = image.model_copy(update={"spec": image.spec.model_copy(update={"url": "https://two.example.com/guest"})})
    site.db.write(lambda tx: resources.update(tx, [moved]))
    site.advance()
    assert {item.spec.image.url for item in site.computes()} == {"https://two.example.com/guest"}
    assert [item.revision for item in site.computes()] == revisions
    assert {item.status for item in site.computes()} == {"Active"}
