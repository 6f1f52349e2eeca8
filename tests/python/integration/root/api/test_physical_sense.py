"""What the floor of a datacenter cannot have is refused: the field and the other resource are named."""

from __future__ import annotations

from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.model import document
from controller.root.api.bootstrap import ensure_default_project
from controller.store import resources
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.integration.root.api.conftest import Api

MODELS = [
    {"kind": "PhysicalModel", "name": "two", "spec": {"height_units": 2}},
    {"kind": "PhysicalModel", "name": "shallow", "spec": {"height_units": 1, "full_depth": False}},
    {"kind": "PhysicalModel", "name": "half", "spec": {"height_units": 0.5}},
    {"kind": "PhysicalModel", "name": "flat", "spec": {"height_units": 0}},
]
RACK = "Rack tokyo/rack-1"


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    """One engine is enough: the queries are those of the store, whose contract runs on both."""
    database = sqlite_databases.new(Tier.ROOT, clock)
    ensure_default_project(database)
    return database


@pytest.fixture
async def floor(site: Api) -> Api:
    """The site with models of all sizes."""
    await accepted(site, *MODELS)
    return site


def device(name: str, position: float | None = None, *, role: str = "Server", **spec: Any) -> dict[str, Any]:
    placed: dict[str, Any] = {} if position is None else {"rack": "rack-1", "position": position}
    return {"kind": "PhysicalResource", "name": name, "datacenter": "tokyo", "spec": {"role": role, **placed, **spec}}


def rack(name: str, **spec: Any) -> dict[str, Any]:
    return {"kind": "Rack", "name": name, "datacenter": "tokyo", "spec": {"floor": "floor-1-1-1", **spec}}


async def accepted(api: Api, *documents: dict[str, Any]) -> None:
    answer = await api.apply(*documents)
    assert answer.status_code == 200, answer.text


async def refused(api: Api, *documents: dict[str, Any], path: str, names: str, status: int) -> None:
    """The dry run has the path and the name; the write has the status and the name, and writes nothing."""
    plan = (await api.apply(*documents, dry_run="true")).json()
    found = [
        (f"[{number}].{one['path']}", one["message"])
        for number, step in enumerate(plan["changes"])
        for one in step["refusals"]
    ]
    assert [where for where, _ in found] == [path], plan
    assert names in found[0][1]
    answer = await api.apply(*documents)
    assert answer.status_code == status, answer.text
    assert names in answer.text
    if status == 422:
        assert [one["path"] for one in answer.json()["errors"]] == [path]


def store(db: Database, *documents: dict[str, Any]) -> None:
    """Store what was accepted before the rules existed."""
    db.write(lambda tx: resources.insert(tx, [document.parse(one) for one in documents]))


async def test_a_device_must_be_inside_its_rack(floor: Api) -> None:
    await refused(floor, device("a", 99), path="[0].spec.position", names=RACK, status=422)
    await refused(floor, device("a", 42, model="two"), path="[0].spec.position", names=RACK, status=422)
    await refused(floor, device("a", 42.5), path="[0].spec.position", names=RACK, status=422)
    await refused(floor, device("a", 43, model="flat"), path="[0].spec.position", names=RACK, status=422)
    await accepted(floor, device("a", 41, model="two"), device("b", 40.5, model="half"))
    answer = await floor.apply(device("b", 40.3))
    assert answer.status_code == 422
    assert [one["path"] for one in answer.json()["errors"]] == ["[0].spec.position"]


async def test_two_devices_do_not_share_a_unit(floor: Api) -> None:
    await accepted(floor, device("a", 10, model="two"))
    await refused(floor, device("b", 11), path="[0].spec.position", names="PhysicalResource tokyo/a", status=409)
    await refused(
        floor, device("b", 20), device("c", 20), path="[1].spec.position", names="PhysicalResource tokyo/b", status=422
    )
    await accepted(floor, device("b", 12))
    await refused(
        floor, device("b", 10.5, model="half"), path="[0].spec.position", names="PhysicalResource tokyo/a", status=409
    )


async def test_what_fits_is_accepted(floor: Api) -> None:
    await accepted(
        floor,
        device("front", 5, model="shallow"),
        device("rear", 5, model="shallow", face="rear"),
        device("lower", 10, model="half"),
        device("upper", 10.5, model="half"),
        device("strip-a", 10, model="flat"),
        device("strip-b", model="flat", rack="rack-1"),
        device("somewhere", rack="rack-1"),
        device("somewhere-else", rack="rack-1"),
    )
    stored = (await floor.get("/v1/datacenters/tokyo/physical-resources/upper")).json()["spec"]
    assert stored["position"] == 10.5
    text = (await floor.get("/v1/datacenters/tokyo/physical-resources/lower")).text
    assert '"position":10,' in text, "whole units stay integers"
    await refused(floor, device("b", 5), path="[0].spec.position", names="tokyo/front", status=409)
    await refused(
        floor, device("b", 5, model="shallow", face="rear"), path="[0].spec.position", names="tokyo/rear", status=409
    )


async def test_devices_change_places_in_one_batch(floor: Api) -> None:
    await accepted(floor, device("a", 10), device("b", 11))
    await accepted(floor, device("a", 11), device("b", 10))
    await accepted(floor, device("b", 12), device("c", 10))
    await accepted(floor, rack("rack-1", height_units=50), device("d", 50))


async def test_a_rack_does_not_shrink_below_what_is_in_it(floor: Api) -> None:
    await accepted(floor, device("a", 40))
    shrunk = rack("rack-1", height_units=39)
    await refused(floor, shrunk, path="[0].spec.height_units", names="PhysicalResource tokyo/a", status=409)
    await accepted(floor, shrunk, device("a", 39))


async def test_a_model_does_not_grow_into_other_devices(floor: Api) -> None:
    await accepted(floor, device("a", 10, model="shallow"), device("b", 11, model="two"))
    higher = {"kind": "PhysicalModel", "name": "shallow", "spec": {"height_units": 2, "full_depth": False}}
    await refused(floor, higher, path="[0].spec.height_units", names="PhysicalResource tokyo/b", status=409)
    await accepted(floor, device("c", 10, model="shallow", face="rear"))
    deeper = {"kind": "PhysicalModel", "name": "shallow", "spec": {"height_units": 1}}
    await refused(floor, deeper, path="[0].spec.full_depth", names="PhysicalResource tokyo/c", status=409)
    tall = {"kind": "PhysicalModel", "name": "two", "spec": {"height_units": 40}}
    await refused(floor, tall, path="[0].spec.height_units", names=RACK, status=409)


async def test_a_rack_and_a_model_that_change_together_are_checked_together(floor: Api) -> None:
    await accepted(floor, device("a", 42, model="half"))
    taller = {"kind": "PhysicalModel", "name": "half", "spec": {"height_units": 2}}
    lower = rack("rack-1", height_units=41)
    await refused(floor, lower, taller, path="[0].spec.height_units", names="PhysicalResource tokyo/a", status=409)
    same = {"kind": "PhysicalModel", "name": "half", "labels": {"env": "lab"}, "spec": {"height_units": 0.5}}
    await refused(floor, lower, same, path="[0].spec.height_units", names="PhysicalResource tokyo/a", status=409)


async def test_a_stored_conflict_blocks_nothing_else(floor: Api, db: Database) -> None:
    cords = [{"inlet": "psu1", "source": "strip", "outlet": "1"}]
    store(
        db,
        rack("own", pair="own"),
        device("strip", role="Pdu", power_links=[{"inlet": "in", "source": "strip"}]),
        device("a", 99, power_links=cords),
        device("b", 10, power_links=cords),
        device("c", 10),
    )
    strip = device("strip", role="Pdu", power_links=[{"inlet": "in", "source": "strip"}])
    for one in (rack("own", pair="own"), strip, device("a", 99, power_links=cords), device("b", 10, power_links=cords)):
        await accepted(floor, {**one, "labels": {"env": "lab"}})
    await accepted(floor, rack("rack-1", height_units=41), device("c", 11))
    await refused(floor, device("c", 10), path="[0].spec.position", names="tokyo/b", status=409)
    assert (await floor.delete("/v1/datacenters/tokyo/racks/own")).status_code == 204
    assert (await floor.delete("/v1/datacenters/tokyo/physical-resources/a")).status_code == 204
    assert (await floor.delete("/v1/datacenters/tokyo/physical-resources/b")).status_code == 204
    assert (await floor.delete("/v1/datacenters/tokyo/physical-resources/strip")).status_code == 204


async def test_a_rack_is_not_its_own_pair(floor: Api) -> None:
    await refused(floor, rack("own", pair="own"), path="[0].spec.pair", names="Rack tokyo/own", status=422)


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 2, 3)])
async def test_paired_racks_are_deleted_one_by_one(floor: Api, order: tuple[int, ...]) -> None:
    await accepted(floor, *(rack(f"r{number}", pair=f"r{number % len(order) + 1}") for number in order))
    for number in order:
        answer = await floor.delete(f"/v1/datacenters/tokyo/racks/r{number}")
        assert answer.status_code == 204, answer.text
    left = (await floor.get("/v1/datacenters/tokyo/racks")).json()["items"]
    assert [one["name"] for one in left] == ["rack-1"]


async def test_the_rack_that_stays_loses_its_pair(floor: Api) -> None:
    await accepted(floor, rack("r1", pair="r2"), rack("r2", pair="r1"), rack("r3", pair="r2"))
    answer = await floor.delete("/v1/datacenters/tokyo/racks/r2")
    assert answer.status_code == 409, "r3 is not named back"
    assert answer.json()["users"] == ["Rack tokyo/r3"]
    await accepted(floor, rack("r3"))
    assert (await floor.delete("/v1/datacenters/tokyo/racks/r2")).status_code == 204
    assert (await floor.get("/v1/datacenters/tokyo/racks/r1")).json()["spec"].get("pair") is None


async def test_paired_racks_are_deleted_in_a_batch(floor: Api) -> None:
    pair = [rack("r1", pair="r2"), rack("r2", pair="r1")]
    for documents in (pair, pair[::-1], pair[:1]):
        await accepted(floor, *pair)
        answer = await floor.post("/v1/delete", json=documents)
        assert answer.status_code == 200, answer.text


async def test_a_device_does_not_power_itself(floor: Api) -> None:
    own = device("a", power_links=[{"inlet": "psu1", "source": "a"}])
    await refused(floor, own, path="[0].spec.power_links[0].source", names="PhysicalResource tokyo/a", status=422)


async def test_an_outlet_and_an_inlet_take_one_cord(floor: Api) -> None:
    def powered(name: str, *outlets: str, **more: Any) -> dict[str, Any]:
        links = [
            {"inlet": f"psu{number}", "source": "pdu", "outlet": outlet, **more}
            for number, outlet in enumerate(outlets)
        ]
        return device(name, power_links=links)

    await accepted(floor, device("pdu", role="Pdu"), powered("a", "1"), powered("b", "", ""))
    taken = "spec.power_links[0].outlet"
    await refused(floor, powered("c", "1"), path=f"[0].{taken}", names="PhysicalResource tokyo/a", status=409)
    await refused(
        floor, powered("c", "2"), powered("d", "2"), path=f"[1].{taken}", names="PhysicalResource tokyo/c", status=422
    )
    await accepted(floor, powered("c", "2"))
    await accepted(floor, powered("a", "2"), powered("c", "1"))
    twice = device("e", power_links=[{"inlet": "psu1", "source": "pdu"}, {"inlet": "psu1", "source": "a"}])
    await refused(floor, twice, path="[0].spec.power_links[1].inlet", names="PhysicalResource tokyo/e", status=422)
    await accepted(floor, powered("f", "3", split=True), powered("g", "3", split=True))


async def test_a_port_takes_one_cable(floor: Api) -> None:
    def wired(name: str, *ports: str, peer: str = "leaf", **more: Any) -> dict[str, Any]:
        links = [{"port": f"eth{number}", "peer": peer, "peer_port": port, **more} for number, port in enumerate(ports)]
        return device(name, network_links=links)

    await accepted(floor, device("leaf", role="RackLeafRouter"), wired("a", "p1"), wired("b", "", ""))
    taken = "spec.network_links[0].peer_port"
    await refused(floor, wired("c", "p1"), path=f"[0].{taken}", names="PhysicalResource tokyo/a", status=409)
    await refused(
        floor, wired("c", "p2"), wired("d", "p2"), path=f"[1].{taken}", names="PhysicalResource tokyo/c", status=422
    )
    own = device("d", network_links=[{"port": "eth0", "peer": "leaf"}, {"port": "eth0", "peer": "a"}])
    await refused(floor, own, path="[0].spec.network_links[1].port", names="PhysicalResource tokyo/d", status=422)
    await refused(
        floor, wired("d", "eth0", peer="d"), path=f"[0].{taken}", names="PhysicalResource tokyo/d", status=422
    )
    up = {"port": "p1", "peer": "gate", "peer_port": "x"}
    gate = device("gate", role="GatewayRouter")
    leaf = device("leaf", role="RackLeafRouter", network_links=[up])
    await refused(
        floor, gate, leaf, path="[1].spec.network_links[0].port", names="PhysicalResource tokyo/a", status=409
    )
    mirror = {"port": "p1", "peer": "a", "peer_port": "eth0"}
    await accepted(floor, device("leaf", role="RackLeafRouter", network_links=[mirror]))
    await accepted(floor, wired("f", "p3", split=True), wired("g", "p3", split=True))


async def test_the_own_cables_of_a_peer_take_its_ports(floor: Api) -> None:
    up = {"port": "p1", "peer": "spine", "peer_port": "s1"}
    leaf = device("leaf", role="RackLeafRouter", network_links=[up])
    await accepted(floor, device("spine", role="RackSpineRouter"), leaf)
    server = device("a", network_links=[{"port": "eth0", "peer": "leaf", "peer_port": "p1"}])
    taken = "spec.network_links[0].peer_port"
    await refused(floor, server, path=f"[0].{taken}", names="PhysicalResource tokyo/leaf", status=409)
    await accepted(floor, server, device("leaf", role="RackLeafRouter", network_links=[{**up, "port": "p2"}]))
