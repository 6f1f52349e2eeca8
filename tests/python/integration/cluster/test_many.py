"""Several processes of one cluster: whichever process dies, the work continues, and nothing is done twice."""

from __future__ import annotations

import pytest

from controller.model.assignment import AssignmentRole
from controller.store import capacity, claims, lease
from tests.python.eventually import eventually
from tests.python.integration.cluster.site import Site, compute

WEB = "RegionService default/kanto/web"


async def running(site: Site) -> None:
    for api in ("api1", "api2"):
        site.start_api(api)
        await eventually((site.folder / f"{api}.sock").exists)
    site.start_controller("controller1", "api1")
    site.start_controller("controller2", "api2")
    await site.send_nodes(4)
    site.start_agents(2, api="api1")
    site.start_agents(2, first=2, api="api2")
    await eventually(lambda: {each.state for each in site.nodes().values()} == {"Up"})


def check_books(site: Site) -> None:
    """Capacity and the permission to run are exactly those of the assignments."""
    owners = [each for each in site.assignments() if each.spec.role is AssignmentRole.OWNER]
    assert set(site.database.read(capacity.takings)) == {
        (each.spec.node, each.spec.resource_uid) for each in site.assignments()
    }
    taken = site.database.read(lambda tx: claims.taken(tx, "owner"))
    assert taken == {each.spec.resource_uid: each.name for each in owners}


@pytest.mark.design("G4", "H2", "A4", "A5")
async def test_two_apis_and_two_controllers_and_the_master_dies_in_the_middle_of_a_create(site: Site) -> None:
    await running(site)
    held = site.database.read(lambda tx: lease.get(tx, "cluster-controller"))
    assert held is not None
    await site.send_desired(WEB, [compute(f"web-{index}") for index in range(8)])
    await site.stop(held.holder)
    await eventually(lambda: list(site.statuses().values()) == ["Active"] * 8)
    after = site.database.read(lambda tx: lease.get(tx, "cluster-controller"))
    assert after is not None
    assert after.holder != held.holder
    assert after.term > held.term
    check_books(site)


@pytest.mark.design("A4", "A5")
async def test_an_api_dies_in_the_middle_of_a_migration_and_its_agents_come_back(site: Site) -> None:
    await running(site)
    await site.send_desired(WEB, [compute("web-0"), compute("web-1")])
    await eventually(lambda: list(site.statuses().values()) == ["Active"] * 2)
    before = {name: each.observed["node"] for name, each in site.computes().items()}
    await site.send_desired(WEB, [compute("web-0", migrations=1), compute("web-1", migrations=1)])
    await site.stop("api2")
    site.start_api("api2")
    await eventually(
        lambda: (
            all(
                each.status == "Active" and each.state == "Running" and each.observed.get("migrations") == 1
                for each in site.computes().values()
            )
            and len(site.assignments()) == 2
        ),
    )
    after = {name: each.observed["node"] for name, each in site.computes().items()}
    for name, each in site.computes().items():
        assert after[name] != before[name] or "migration_failed" in each.observed
    check_books(site)
