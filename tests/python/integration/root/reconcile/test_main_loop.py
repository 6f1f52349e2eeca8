"""The root controller's main loop on a real database, against a played cluster (A2, H5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import pytest

from controller.clock import SystemClock
from controller.errors import StaleTerm
from controller.model import document
from controller.model.envelope import State
from controller.model.image import IMAGE
from controller.root.cluster_peer import ClusterPeer
from controller.root.reconcile.root_controller import RootController
from controller.store import lease, resources
from controller.store.changes import Feed
from controller.store.database import Database, Fence
from tests.python.eventually import eventually
from tests.python.integration.root.reconcile.played import Document, PlayedCluster, become_active
from tests.python.unit.root.site import POWER, Site

LEASE = "resource-controller"


class Plant:
    """A site, its played cluster and the controller's task."""

    def __init__(self, db: Database) -> None:
        self.site = Site(db, endpoint="played")
        self.cluster = PlayedCluster()
        self.db = db
        self.feed = Feed(db, SystemClock(), poll=0.05)
        self._feeding = asyncio.create_task(self.feed.run())
        self.task: asyncio.Task[None] | None = None

    def start(self, holder: str = "one", observed_term: int = 0) -> None:
        held = self.db.write(lambda tx: lease.reassign(tx, LEASE, holder, observed_term, 60.0))
        fence = Fence(LEASE, held.term)
        controller = RootController(
            self.db, self.feed, fence, SystemClock(), lambda cluster: cast(ClusterPeer, self.cluster)
        )
        self.task = asyncio.create_task(controller.run())

    async def kill(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
            self.task = None

    async def close(self) -> None:
        await self.kill()
        self._feeding.cancel()
        with suppress(asyncio.CancelledError):
            await self._feeding

    async def status(self, wanted: str, ready: int | None = None) -> None:
        """Wait for the service's status."""

        def there() -> bool:
            service = self.site.service()
            return service.status == wanted and (ready is None or service.observed.get("ready") == ready)

        await eventually(there)


@pytest.fixture
async def plant(database: Database) -> AsyncIterator[Plant]:
    made = Plant(database)
    yield made
    await made.close()


@pytest.mark.design("A2", "H5", "K5", "J9")
async def test_from_put_to_active_and_gone(plant: Plant) -> None:
    plant.start()
    plant.site.put(3)
    await plant.status("Active", ready=3)
    assert [item.observed["node"] for item in plant.site.computes()] == ["n1"] * 3
    plant.site.put(1)
    await eventually(lambda: plant.site.names() == ["web-0"])
    plant.site.delete()
    await eventually(lambda: not plant.site.exists())
    assert plant.site.addresses() == []
    await eventually(lambda: plant.cluster.digests == {})


@pytest.mark.design("J5", "J11", "K5")
async def test_a_hard_rule_that_is_broken_where_they_run_is_told_until_the_cluster_reports_that_it_holds(
    plant: Plant,
) -> None:
    racks = {"web-0": "r1", "web-1": "r1"}

    def run(document: Document) -> Document:
        rack = racks.get(document["name"])
        return {**become_active(document), "observed": {"node": f"{rack}-{document['name']}", "rack": rack}}

    plant.cluster.outcome = run
    plant.start()
    plant.site.put(2)
    await plant.status("Active", ready=2)
    assert plant.site.service().status_reason == ""

    rules = [POWER, {"axis": "rack", "mode": "AntiAffinity", "hard": True}]
    plant.site.put(2, schedule_policy={"rules": rules})
    broken = "rack AntiAffinity (hard) is violated: 2 on rack r1"
    await eventually(lambda: plant.site.service().observed.get("broken_rules") == [broken])
    service = plant.site.service()
    assert (service.status, service.status_reason) == ("Active", f"{broken}; run resourcectl rebalance web")

    racks["web-1"] = "r2"
    plant.cluster.report_again()
    await eventually(lambda: "broken_rules" not in plant.site.service().observed)
    assert (plant.site.service().status, plant.site.service().status_reason) == ("Active", "")


@pytest.mark.design("H5")
async def test_a_killed_controller_is_taken_over_from(plant: Plant) -> None:
    plant.cluster.outcome = lambda document: {**document, "status": "Creating:Scheduled"}
    plant.start()
    plant.site.put(3)
    await eventually(lambda: {item.status for item in plant.site.computes()} == {"Creating:Scheduled"})
    await plant.kill()
    plant.cluster.outcome = become_active
    plant.site.put(2)
    plant.db.write(lambda tx: lease.release(tx, LEASE, "one", 1))
    plant.start("two", observed_term=1)
    await plant.status("Active", ready=2)
    assert len(plant.site.addresses()) == 2


@pytest.mark.design("H2", "H5")
async def test_a_superseded_controller_ends_and_writes_no_more(plant: Plant) -> None:
    plant.start()
    plant.site.put(1)
    await plant.status("Active", ready=1)
    plant.db.write(lambda tx: lease.release(tx, LEASE, "one", 1))
    plant.db.write(lambda tx: lease.reassign(tx, LEASE, "two", 1, 60.0))
    plant.site.put(2)
    assert plant.task is not None
    with pytest.raises(BaseExceptionGroup) as ended:
        await asyncio.wait_for(asyncio.shield(plant.task), 60)
    assert ended.group_contains(StaleTerm)
    plant.task = None
    assert plant.site.names() == ["web-0"]


@pytest.mark.design("J9")
async def test_no_room_is_told_and_tried_again(plant: Plant) -> None:
    plant.cluster.room = 2
    plant.start()
    plant.site.put(3)
    await plant.status("Error")
    assert plant.site.service().status_reason == "no cluster can take it: tokyo1: 4 nodes: 4 too little memory"
    assert plant.site.names() == []
    plant.site.put(2)
    await plant.status("Active", ready=2)


@pytest.mark.design("G4", "H5")
async def test_a_cluster_that_is_away_holds_nothing_up_for_good(plant: Plant) -> None:
    plant.start()
    plant.site.put(2)
    await plant.status("Active", ready=2)
    plant.cluster.break_off()
    plant.site.put(3)
    await eventually(lambda: len(plant.site.names()) == 3)
    assert plant.site.service().status != "Active"
    plant.cluster.away = False
    await plant.status("Active", ready=3)


@pytest.mark.design("K3", "D7")
async def test_an_address_waits_for_its_machine(plant: Plant) -> None:
    plant.start()
    plant.site.put(3)
    await plant.status("Active", ready=3)
    plant.cluster.holding = True
    syncs = plant.cluster.syncs
    plant.site.put(2)
    await eventually(lambda: plant.cluster.syncs > syncs)
    await plant.status("Updating")
    assert len(plant.site.addresses()) == 3
    plant.cluster.let_go()
    await plant.status("Active", ready=2)
    assert len(plant.site.addresses()) == 2


@pytest.mark.design("H5")
async def test_only_what_differs_is_sent(plant: Plant) -> None:
    plant.start()
    plant.site.put(2)
    await plant.status("Active", ready=2)
    syncs = plant.cluster.syncs
    await plant.kill()
    plant.db.write(lambda tx: lease.release(tx, LEASE, "one", 1))
    plant.start("two", observed_term=1)
    await eventually(lambda: plant.site.cluster_row().state == State.UP)
    plant.site.put(3)
    await plant.status("Active", ready=3)
    assert plant.cluster.syncs == syncs + 1


@pytest.mark.design("H5")
async def test_a_report_of_an_older_wish_says_nothing_of_the_new_one(plant: Plant) -> None:
    def first_revision_only(document: Document) -> Document:
        return become_active({**document, "revision": 1})

    plant.cluster.outcome = first_revision_only
    plant.start()
    plant.site.put(1)
    await plant.status("Active", ready=1)
    plant.site.put(1, user_data="#cloud-config")
    await eventually(lambda: plant.site.computes()[0].revision == 2)
    await eventually(lambda: plant.site.computes()[0].status == "Updating:Scheduled")
    assert plant.site.service().status == "Updating"


@pytest.mark.design("H5")
async def test_a_cluster_has_the_groups_that_its_services_name_with_members_as_they_come_and_go(plant: Plant) -> None:
    group = {"kind": "SecurityGroup", "name": "web", "spec": {"ingress": [{"port": 80, "group": "web"}]}}
    plant.db.write(lambda tx: resources.insert(tx, [document.parse(group)]))
    plant.start()
    spec = {"compute": {"flavor": "small", "image": "guest", "schedule_policy": {"rules": [POWER]}}}

    def members() -> int | None:
        found = plant.cluster.desired.get("SecurityGroup default/web")
        return len(found[0]["observed"]["sources"]["group default/web"]) if found else None

    for replicas, groups, expected in ((2, ["web"], 2), (3, ["web"], 3), (1, ["web"], 1), (1, [], None)):
        plant.site.put_spec({"replicas": replicas, "security_groups": groups, **spec})
        await plant.status("Active", ready=replicas)
        await eventually(lambda expected=expected: members() == expected)  # type: ignore[misc]
    plant.site.put_spec({"replicas": 1, "security_groups": ["web"], **spec})
    await eventually(lambda: members() == 1)
    plant.site.delete()
    await eventually(lambda: members() is None)


@pytest.mark.design("D1", "H5")
async def test_another_url_of_an_image_reaches_the_computes_of_its_services(plant: Plant) -> None:
    plant.start()
    plant.site.put(2)
    await eventually(lambda: len(plant.site.computes()) == 2)
    image = plant.db.read(lambda tx: resources.get(tx, IMAGE.key("kanto", "guest")))
    moved = image.model_copy(update={"spec": image.spec.model_copy(update={"url": "https://two.example.com/guest"})})
    plant.db.write(lambda tx: resources.update(tx, [moved]))
    await eventually(lambda: {each.spec.image.url for each in plant.site.computes()} == {moved.spec.url})
