"""Questions about the future over real gRPC: they change nothing, and a saved snapshot answers the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.cluster.forecast import replay
from controller.cluster.forecast.forecaster import ServiceRequest
from controller.errors import InvalidInput
from controller.model.flavor import ResourceFlavor
from controller.rpc import translated
from controller.store import capacity
from controller.wire import cluster_pb2
from tests.python.eventually import eventually
from tests.python.integration.cluster.site import CLUSTER, Site, compute, node
from tests.python.integration.cluster.test_lifecycle import WEB, running

SPREAD = {"rules": [{"axis": "power", "mode": "AntiAffinity"}, {"axis": "rack", "mode": "AntiAffinity"}]}


def request(name: str, replicas: int, *, bound: bool = False, **spec: Any) -> cluster_pb2.ServiceRequest:
    sample = compute(f"{name}-0", schedule_policy=SPREAD, **spec)
    return cluster_pb2.ServiceRequest(compute=sample.model_dump_json().encode(), replicas=replicas, bound=bound)


async def forecasts(site: Site, *requests: cluster_pb2.ServiceRequest) -> list[dict[str, Any]]:
    with translated("cluster"):
        reply = await site.stub().Forecast(cluster_pb2.ForecastRequest(services=requests), timeout=60)
    return [json.loads(each) for each in reply.forecasts]


async def snapshot(site: Site) -> dict[str, Any]:
    parts = [part.data async for part in site.stub().ScheduleSnapshot(cluster_pb2.ScheduleSnapshotRequest())]
    found: dict[str, Any] = json.loads(b"".join(parts))
    return found


@pytest.mark.design("J10", "J8", "I1")
async def test_a_forecast_is_what_is_then_done_and_a_snapshot_says_the_same(site: Site) -> None:
    await running(site)
    await site.send_desired(WEB, [compute(f"web-{index}", schedule_policy=SPREAD) for index in range(2)])
    await eventually(lambda: list(site.statuses().values()) == ["Active"] * 2)
    before = site.database.read(capacity.usage)
    requests = [request("web", 5, bound=True), request("db", 4, sizes={"vcpus": 3, "memory_mib": 512, "disk_gib": 1})]

    web, db = told = await forecasts(site, *requests)
    assert site.database.read(capacity.usage) == before
    assert list(web["placements"]) == ["web-2", "web-3", "web-4"]
    assert web["accepted"]
    assert web["why"]["web-2"][1]["rule"] == "rack AntiAffinity soft"
    assert (db["accepted"], db["placements"], db["refused"]) == (False, {}, {"4 nodes: 4 too few vcpus": 1})
    assert (web["capacity"]["vcpus"]["before"], web["capacity"]["vcpus"]["after"]) == (14, 11)

    offline = replay.forecaster(await snapshot(site))
    again = [
        offline.of(ServiceRequest(compute(f"{name}-0", schedule_policy=SPREAD, **spec), replicas, bound)).render()
        for name, replicas, bound, spec in (
            ("web", 5, True, {}),
            ("db", 4, False, {"sizes": {"vcpus": 3, "memory_mib": 512, "disk_gib": 1}}),
        )
    ]
    assert again == told

    await site.send_desired(WEB, [compute(f"web-{index}", schedule_policy=SPREAD) for index in range(5)])
    await eventually(lambda: list(site.statuses().values()) == ["Active"] * 5)
    assert {name: site.computes()[name].observed["node"] for name in web["placements"]} == web["placements"]


@pytest.mark.design("J10", "J4", "I1")
async def test_headroom_counts_what_fits_now_and_after_the_worst_rack(site: Site) -> None:
    """
    rack-0: [node-0] [node-2]     rack-1: [node-1] [node-3]     4 vcpus each; web-0..3 of 2 vcpus, Rebuild
    """
    await running(site)
    big = {
        "sizes": {"vcpus": 2, "memory_mib": 256, "disk_gib": 1},
        "on_node_down": "Rebuild",
        "schedule_policy": SPREAD,
    }
    await site.send_desired(WEB, [compute(f"web-{index}", **big) for index in range(4)])
    await eventually(lambda: list(site.statuses().values()) == ["Active"] * 4)
    flavors = [
        ResourceFlavor.model_validate({"name": name, "spec": {"provider": provider, "sizes": {**sizes, "disk_gib": 1}}})
        for name, provider, sizes in (
            ("small", "memory", {"vcpus": 1, "memory_mib": 256}),
            ("whole", "memory", {"vcpus": 4, "memory_mib": 4096, "machine_share": "Machine"}),
            ("foreign", "libvirt", {"vcpus": 1, "memory_mib": 256}),
        )
    ]
    request = cluster_pb2.HeadroomRequest(flavors=[each.model_dump_json().encode() for each in flavors])
    with translated("cluster"):
        report = json.loads((await site.stub().Headroom(request, timeout=60)).report)
    assert (report["nodes"], report["open_nodes"], report["computes"], report["moving"]) == (4, 4, 4, "rebuild")
    assert report["dimensions"]["vcpus"] == {"total": 16, "free": 8}
    small, whole, foreign = report["flavors"]
    assert (small["fits"], whole["fits"], foreign["fits"]) == (8, 0, 0)
    rack = small["after_loss"]["rack"]
    assert rack == {"domain": "rack-0", "fits": 0, "nodes": 2, "moved": 2, "unplaced": 0, "staying": 0}
    assert small["after_loss"]["network"]["domain"] == "leaf"
    assert small["after_loss"]["network"]["unplaced"] == 4

    await site.send_desired(f"Node {CLUSTER}/node-1", [node("node-1", "rack-1", schedulable=False)])
    await eventually(lambda: not site.nodes()["node-1"].spec.schedulable)
    with translated("cluster"):
        report = json.loads((await site.stub().Headroom(request, timeout=60)).report)
    assert (report["open_nodes"], report["flavors"][0]["fits"]) == (3, 6)


async def test_what_is_no_compute_is_refused(site: Site) -> None:
    await running(site, nodes=1)
    bad = cluster_pb2.ServiceRequest(compute=json.dumps({"kind": "Node", "name": "x"}).encode(), replicas=1)
    with pytest.raises(InvalidInput):
        await forecasts(site, bad)
