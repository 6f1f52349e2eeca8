"""A Compute's way from the root's desired state to a running machine, and back, through all of the cluster."""

from __future__ import annotations

import pytest

from controller.store import capacity
from tests.python.eventually import eventually
from tests.python.integration.cluster.site import CLUSTER, Site, compute, documents

WEB = "RegionService default/kanto/web"


async def running(site: Site, nodes: int = 4) -> None:
    site.start_api()
    site.start_controller()
    await eventually(lambda: (site.folder / "api1.sock").exists())
    await site.send_nodes(nodes)
    site.simulator = site.start_agents(nodes)  # type: ignore[attr-defined]
    await eventually(lambda: {each.state for each in site.nodes().values()} == {"Up"})


@pytest.mark.design("K5", "A4", "A5", "J10", "I1", "K3", "D4", "D5")
async def test_from_desired_to_active_to_deleted(site: Site) -> None:
    await running(site)
    await site.send_desired(WEB, [compute(f"web-{index}") for index in range(5)])
    await eventually(lambda: set(site.statuses().values()) == {"Active"} and len(site.statuses()) == 5)
    for made in site.computes().values():
        assert made.state == "Running"
        assert made.observed["node"] in site.nodes()
        assert made.observed["rack"] in ("rack-0", "rack-1")
    usage = site.database.read(capacity.usage)
    assert sum(taken.vcpus for _, taken in usage.values()) == 5
    assert max(taken.vcpus for _, taken in usage.values()) == 2

    await site.send_desired(WEB, [compute(f"web-{index}") for index in range(3)])
    await eventually(lambda: sorted(site.computes()) == ["web-0", "web-1", "web-2"])
    await site.send_desired(WEB, [], gone=True)
    await eventually(lambda: not site.computes())
    assert site.assignments() == []
    assert site.database.read(capacity.takings) == {}


@pytest.mark.design("J8", "K5")
async def test_what_fits_nowhere_is_an_error_with_reasons_and_is_placed_when_there_is_room(site: Site) -> None:
    await running(site, nodes=2)
    big = {"vcpus": 4, "memory_mib": 4096, "disk_gib": 1}
    await site.send_desired(WEB, [compute(f"web-{index}", sizes=big) for index in range(3)])
    await eventually(lambda: sorted(site.statuses().values()) == ["Active", "Active", "Error"])
    assert site.computes()["web-2"].status_reason == "no node fits: 2 nodes: 2 too few vcpus"
    await site.send_desired(WEB, [compute("web-0", sizes=big), compute("web-2", sizes=big)])
    await eventually(lambda: site.statuses() == {"web-0": "Active", "web-2": "Active"})


_EMPTY = {"remaining": 0, "moving": {}, "planned": {}, "blocked_by": []}


@pytest.mark.design("E1", "D5")
async def test_a_live_migration_asked_for_and_a_drain(site: Site) -> None:
    await running(site)
    await site.send_desired(WEB, [compute("web-0")])
    await eventually(lambda: site.statuses() == {"web-0": "Active"})
    before = site.computes()["web-0"].observed["node"]
    await site.send_desired(WEB, [compute("web-0", migrations=1)])
    await eventually(lambda: site.computes()["web-0"].observed["node"] != before and len(site.assignments()) == 1)
    moved = site.computes()["web-0"].observed["node"]
    await eventually(lambda: site.computes()["web-0"].state == "Running")

    from tests.python.integration.cluster.site import node

    await site.send_desired(f"Node {CLUSTER}/{moved}", [node(moved, "rack-0", drain=True, schedulable=False)])
    await eventually(lambda: site.computes()["web-0"].observed["node"] != moved and len(site.assignments()) == 1)
    await eventually(lambda: site.nodes()[moved].observed.get("drain") == _EMPTY)
    assert site.statuses() == {"web-0": "Active"}


@pytest.mark.design("H5")
async def test_the_root_observes_a_snapshot_then_changes_and_digests_after_their_rows(site: Site) -> None:
    await running(site)
    digest = await site.send_desired(WEB, [compute("web-0")])
    seen: dict[str, str] = {}
    whole = False
    async for batch in site.observe():
        for document in documents(batch):
            seen[f"{document['kind']} {document['name']}"] = document["status"]
            assert "desired" not in document["spec"]
        whole = whole or batch.snapshot_end
        if batch.digests.get(WEB) == digest:
            assert "Compute web-0" in seen
            break
    assert whole
    async for batch in site.observe():
        for document in documents(batch):
            seen[f"{document['kind']} {document['name']}"] = document["status"]
        if seen["Compute web-0"] == "Active":
            break
    await site.send_desired(WEB, [], gone=True)
    async for batch in site.observe():
        if "Compute default/kanto/web-0" in batch.deleted or (
            batch.snapshot_end and not any("web-0" in name for name in site.computes())
        ):
            break
