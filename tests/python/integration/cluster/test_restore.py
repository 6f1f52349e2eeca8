"""A cluster database restored from a backup older than what happened since: nothing is lost, nothing runs twice.

::

    backup --- what happens on the nodes --- the database is lost --- restore --- the agents report
"""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.agent.drivers.memory import MemoryDriver
from controller.agent.simulate import Simulator
from controller.store import backup, restore_hold
from controller.store.database import Tier
from tests.python.databases import Databases
from tests.python.eventually import eventually
from tests.python.integration.cluster.site import CLUSTER, Site, compute, node

WEB = "RegionService default/kanto/web"
DB = "RegionService default/kanto/db"


async def running(site: Site, nodes: int = 3) -> Simulator:
    await start(site)
    await site.send_nodes(nodes)
    simulator = site.start_agents(nodes)
    await eventually(lambda: {each.state for each in site.nodes().values()} == {"Up"})
    return simulator


async def start(site: Site) -> None:
    site.start_api()
    await eventually(lambda: (site.folder / "api1.sock").exists())
    site.start_controller()


async def lose_the_database(site: Site, databases: Databases) -> None:
    """End the processes, and have an empty database."""
    await site.stop("controller1")
    await site.stop("api1")
    (site.folder / "api1.sock").unlink(missing_ok=True)
    site.url = databases.url(Tier.CLUSTER)
    site.database = databases.open(site.url, Tier.CLUSTER, cluster=CLUSTER)


def place_of(site: Site, name: str) -> str:
    return str(site.computes()[name].observed["node"])


def places(site: Site) -> dict[str, str]:
    return {name: place_of(site, name) for name in site.computes()}


def boots(simulator: Simulator) -> dict[tuple[str, str], int]:
    """How often each machine was started, by host and name."""
    hosts = {address: simulator.world.read(address) for address in simulator.world.hosts()}
    return {(host, one.name): one.boots for host, content in hosts.items() for one in content.machines.values()}


async def settled(site: Site, *names: str) -> None:
    """Wait until nothing is held, and these Computes and no others are Active with one Owner each."""
    await eventually(
        lambda: (
            not any(each.facts.hold for each in site.nodes().values())
            and site.statuses() == dict.fromkeys(names, "Active")
            and [each.spec.role for each in site.assignments()] == ["Owner"] * len(names)
        )
    )


async def kept_aside(simulator: Simulator) -> list[str]:
    drivers = [MemoryDriver(address, simulator.world) for address in simulator.world.hosts()]
    return [one.name for driver in drivers for one in await driver.quarantined()]


@pytest.mark.design("G1", "D5", "E1")
async def test_a_machine_that_moved_after_the_backup_stays_where_it_runs(
    site: Site, databases: Databases, tmp_path: Path
) -> None:
    """It was started on its old node too, and its only true copy was removed as a stray."""
    simulator = await running(site)
    await site.send_desired(WEB, [compute("web-0")])
    await settled(site, "web-0")
    before = place_of(site, "web-0")
    backup.backup(site.database, tmp_path / "backup")
    await site.send_desired(WEB, [compute("web-0", migrations=1)])
    await eventually(lambda: place_of(site, "web-0") != before)
    await settled(site, "web-0")
    there, started = place_of(site, "web-0"), boots(simulator)

    await lose_the_database(site, databases)
    backup.restore(site.database, tmp_path / "backup")
    assert place_of(site, "web-0") == before, "so the backup has it"
    await start(site)
    await settled(site, "web-0")
    assert place_of(site, "web-0") == there
    assert boots(simulator) == started
    assert simulator.world.double_runs() == []
    assert await kept_aside(simulator) == []

    await site.send_desired(WEB, [compute("web-0", migrations=2)])
    await eventually(lambda: place_of(site, "web-0") != there)
    await settled(site, "web-0")
    assert boots(simulator).keys() == {(f"memory:{place_of(site, 'web-0')}", "default.kanto.web-0")}


@pytest.mark.design("G1")
async def test_what_was_made_after_the_backup_is_adopted_and_what_was_deleted_stays_deleted(
    site: Site, databases: Databases, tmp_path: Path
) -> None:
    """The root has its own database, and sends what it desires now: a service more, and a Compute less."""
    simulator = await running(site)
    await site.send_desired(WEB, [compute("web-0"), compute("web-1")])
    await settled(site, "web-0", "web-1")
    backup.backup(site.database, tmp_path / "backup")
    await site.send_desired(WEB, [compute("web-1")], deleted=[compute("web-0")])
    await site.send_desired(DB, [compute("db-0"), compute("db-1")])
    await settled(site, "db-0", "db-1", "web-1")
    started, before = boots(simulator), places(site)

    await lose_the_database(site, databases)
    backup.restore(site.database, tmp_path / "backup")
    site.start_api()
    await eventually(lambda: (site.folder / "api1.sock").exists())
    await site.send_desired(WEB, [compute("web-1")], deleted=[compute("web-0")])
    await site.send_desired(DB, [compute("db-0"), compute("db-1")])
    site.start_controller()
    await settled(site, "db-0", "db-1", "web-1")
    assert places(site) == before
    assert boots(simulator) == started
    assert await kept_aside(simulator) == []


@pytest.mark.design("G1", "K3")
async def test_a_root_that_is_older_than_a_service_costs_no_disk(site: Site) -> None:
    """The root was restored: it lists neither db-0 nor web-1, and names web-0 as deleted by a user."""
    simulator = await running(site)
    await site.send_desired(WEB, [compute("web-0"), compute("web-1")])
    await site.send_desired(DB, [compute("db-0")])
    await settled(site, "db-0", "web-0", "web-1")
    await site.send_desired(WEB, [], deleted=[compute("web-0")])
    await site.send_desired(DB, [], gone=True)
    await settled(site)
    assert sorted(await kept_aside(simulator)) == ["default.kanto.db-0", "default.kanto.web-1"]
    await site.stop("api1")  # the agents connect again, and their first report is a full one
    (site.folder / "api1.sock").unlink(missing_ok=True)
    site.start_api()
    await eventually(
        lambda: (
            sorted(one.name for each in site.nodes().values() for one in each.facts.quarantine)
            == ["default.kanto.db-0", "default.kanto.web-1"]
        )
    )
    assert boots(simulator) == {}


@pytest.mark.design("G1", "D5")
async def test_a_reboot_that_a_restored_root_asks_for_is_carried_out(site: Site) -> None:
    """Its backup was older than two reboots: the number that it counted next was one that the machine had had."""
    simulator = await running(site, 1)
    await site.send_desired(WEB, [compute("web-0", reboots=3)])
    await settled(site, "web-0")
    await site.send_desired(WEB, [compute("web-0", reboots=4)])
    await eventually(lambda: list(boots(simulator).values()) == [2])
    await eventually(lambda: site.computes()["web-0"].facts.reboots == 4)
    await site.send_desired(WEB, [compute("web-0", reboots=2)])
    await eventually(lambda: site.computes()["web-0"].spec.reboots == 2)
    await settled(site, "web-0")
    asked = site.computes()["web-0"].next_reboot
    await site.send_desired(WEB, [compute("web-0", reboots=asked)])
    await eventually(lambda: list(boots(simulator).values()) == [3])
    await settled(site, "web-0")


@pytest.mark.design("G1", "D5")
async def test_root_and_cluster_restored_from_different_moments(
    site: Site, databases: Databases, tmp_path: Path
) -> None:
    """The cluster's backup is older than a move and than a service; the root's is older than the service only."""
    simulator = await running(site)
    await site.send_desired(WEB, [compute("web-0")])
    await settled(site, "web-0")
    backup.backup(site.database, tmp_path / "backup")
    await site.send_desired(WEB, [compute("web-0", migrations=1)])
    await eventually(lambda: site.computes()["web-0"].facts.migrations == 1)
    await site.send_desired(DB, [compute("db-0")])
    await settled(site, "db-0", "web-0")
    there = place_of(site, "web-0")
    await lose_the_database(site, databases)
    backup.restore(site.database, tmp_path / "backup")
    site.start_api()
    await eventually(lambda: (site.folder / "api1.sock").exists())
    await site.send_desired(WEB, [compute("web-0", migrations=1)])
    site.start_controller()
    await settled(site, "web-0")
    assert simulator.world.double_runs() == []
    await eventually(lambda: len(boots(simulator)) == 1)
    assert await kept_aside(simulator) == ["default.kanto.db-0"], "no database knows it; its data is there"
    assert place_of(site, "web-0") == there, "what the user asked for was done already"


@pytest.mark.design("G1", "G6")
async def test_until_every_node_has_reported_nothing_changes_and_the_status_says_why(
    site: Site, databases: Databases, tmp_path: Path
) -> None:
    simulator = await running(site, nodes=2)
    await site.send_desired(WEB, [compute("web-0")])
    await site.send_desired(f"Node {CLUSTER}/node-8", [node("node-8", "rack-0")])  # planned: no agent ever came
    await site.send_desired(f"Node {CLUSTER}/node-9", [node("node-9", "rack-0", registered=True)])
    await settled(site, "web-0")
    backup.backup(site.database, tmp_path / "backup")

    await lose_the_database(site, databases)
    backup.restore(site.database, tmp_path / "backup")
    await start(site)
    await site.send_desired(WEB, [compute("web-0"), compute("web-1")])
    reason = "waits until node-9 has reported: the cluster's database was restored"
    await eventually(lambda: "web-1" in site.computes() and site.computes()["web-1"].status_reason == reason)
    assert len(site.assignments()) == 1
    assert boots(simulator) == {(f"memory:{place_of(site, 'web-0')}", "default.kanto.web-0"): 1}
    assert site.database.write(restore_hold.skip_reports) == ["node-9"]
    await settled(site, "web-0", "web-1")


@pytest.mark.design("G1", "G6")
async def test_a_node_that_was_only_planned_is_not_waited_for(site: Site, databases: Databases, tmp_path: Path) -> None:
    """After any restore nothing was placed or removed before somebody deleted the planned nodes by force."""
    await running(site, nodes=2)
    await site.send_desired(WEB, [compute("web-0")])
    await site.send_desired(f"Node {CLUSTER}/node-9", [node("node-9", "rack-0")])
    await settled(site, "web-0")
    backup.backup(site.database, tmp_path / "backup")
    await lose_the_database(site, databases)
    backup.restore(site.database, tmp_path / "backup")
    await start(site)
    await site.send_desired(WEB, [compute("web-0"), compute("web-1")])
    await settled(site, "web-0", "web-1")


@pytest.mark.design("G1")
async def test_a_new_database_without_a_backup_adopts_what_runs(site: Site, databases: Databases) -> None:
    """The agents know newer assignments than the database, however it was made."""
    simulator = await running(site)
    await site.send_desired(WEB, [compute("web-0"), compute("web-1")])
    await settled(site, "web-0", "web-1")
    started, before = boots(simulator), places(site)
    await lose_the_database(site, databases)
    site.database.write(lambda tx: restore_hold.begin(tx, new_epoch=True))  # databases of tests are copies of one
    await start(site)
    await site.send_nodes(3, registered=True)
    await site.send_desired(WEB, [compute("web-0"), compute("web-1")])
    await settled(site, "web-0", "web-1")
    assert places(site) == before
    assert boots(simulator) == started
    assert await kept_aside(simulator) == []
