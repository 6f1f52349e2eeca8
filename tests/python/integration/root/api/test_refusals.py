"""Bad input gets one clear message with the path of the field, and never a 5xx."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from controller.clock import VirtualClock
from controller.model.network import NetworkV4Port
from controller.root.api.bootstrap import ensure_default_project
from controller.root.api.settings import ApiSettings
from controller.store import resources
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.integration.root.api.conftest import SERVICE, Api


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    """One engine is enough: refusals are made above the store."""
    database = sqlite_databases.new(Tier.ROOT, clock)
    ensure_default_project(database)
    return database


def errors_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    return {one["path"]: one["message"] for one in problem.get("errors", [])}


async def test_every_bad_field_is_named(api: Api) -> None:
    answer = await api.apply(
        {"kind": "Region", "name": "KANTO"},
        {"kind": "Rack", "name": "r", "datacenter": "tokyo", "spec": {"row": "two", "colour": "red"}},
        {"kind": "Rock", "name": "r"},
        {"name": "r"},
    )
    assert answer.status_code == 422
    errors = errors_of(answer)
    assert set(errors) == {
        "[0].name",
        "[1].spec.floor",
        "[1].spec.row",
        "[1].spec.colour",
        "[2].kind",
        "[3].kind",
    }
    assert errors["[1].spec.floor"] == "is required"
    assert errors["[1].spec.colour"] == "unknown field"
    assert (await api.get("/v1/regions")).json()["items"] == [], "nothing is half written"


async def test_unknown_parents_and_names_are_refused_and_nothing_is_written(api: Api) -> None:
    answer = await api.apply(
        {"kind": "Region", "name": "kanto"},
        {"kind": "Rack", "name": "r", "datacenter": "tokyo", "spec": {"floor": "f"}},
    )
    assert answer.status_code == 422
    assert errors_of(answer) == {
        "[1].datacenter": "Datacenter tokyo does not exist",
        "[1].spec.floor": "Floor tokyo/f does not exist",
    }
    assert (await api.get("/v1/regions/kanto")).status_code == 404


async def test_one_resource_twice_in_a_batch_is_refused(api: Api) -> None:
    answer = await api.apply({"kind": "Region", "name": "kanto"}, {"kind": "Region", "name": "kanto"})
    assert errors_of(answer) == {"[1]": "Region kanto is given twice, in [0] already"}


async def test_duplicate_addresses_and_macs_are_refused(site: Api) -> None:
    def server(name: str, address: str, mac: str | None = None) -> dict[str, Any]:
        ports = [{"name": "eth0", "network": "fabric", "address": address, "mac": mac}]
        return {
            "kind": "PhysicalResource",
            "name": name,
            "datacenter": "tokyo",
            "spec": {"role": "Server", "ports": ports},
        }

    assert (await site.apply(server("a", "10.0.0.1", "52:54:00:00:00:01"))).status_code == 200
    taken = await site.apply(server("b", "10.0.0.1"))
    assert taken.status_code == 409
    assert taken.json()["users"] == ["PhysicalResource a"]
    assert (await site.apply(server("b", "10.0.0.2", "52:54:00:00:00:01"))).status_code == 409
    twice = await site.apply(server("b", "10.0.0.2"), server("c", "10.0.0.2"))
    assert errors_of(twice) == {"[1].spec.ports[0].address": "10.0.0.2 is also given to b"}
    swapped = await site.apply(server("a", "10.0.0.9"), server("b", "10.0.0.1"))
    assert swapped.status_code == 200, "freed and taken in one transaction"
    assert (await site.delete("/v1/datacenters/tokyo/physical-resources/b")).status_code == 204
    assert (await site.apply(server("c", "10.0.0.1"))).status_code == 200


@pytest.mark.design("D7")
async def test_networks_of_a_cluster_do_not_overlap_and_stay(site: Api) -> None:
    spec = {
        "subnet": "172.16.0.0/16",
        "gateway": "172.16.0.1",
        "start_address": "172.16.0.10",
        "end_address": "172.16.0.20",
    }
    overlapping = await site.put("/v1/clusters/tokyo1/networks/wide", json={"spec": spec})
    assert errors_of(overlapping) == {"spec.subnet": "overlaps 172.16.10.0/24 of network service"}
    moved = await site.put("/v1/clusters/tokyo1/networks/service", json={"spec": spec})
    assert moved.status_code == 422
    assert "cannot be changed" in errors_of(moved)["spec.subnet"]
    other = {**spec, "subnet": "172.17.0.0/16"}
    for field in ("gateway", "start_address", "end_address"):
        other[field] = spec[field].replace("172.16", "172.17")
    one = {"kind": "NetworkV4", "name": "n1", "cluster": "tokyo1", "spec": other}
    both = await site.apply(one, {**one, "name": "n2"})
    assert errors_of(both) == {"[1].spec.subnet": "overlaps 172.17.0.0/16 of network n1"}


@pytest.mark.design("D7")
async def test_a_pool_grows_but_does_not_leave_used_addresses(site: Api, db: Database) -> None:
    path = "/v1/clusters/tokyo1/networks/service"
    network = (await site.get(path)).json()
    spec = {"address": "172.16.10.10", "mac": "52:54:ac:10:0a:0a", "owner_kind": "Compute", "owner": "default/kanto/a"}
    port = {"name": "172-16-10-10", "cluster": "tokyo1", "network": "service", "spec": spec}
    db.write(lambda tx: resources.insert(tx, [NetworkV4Port.model_validate(port)]))
    network["spec"].update(start_address="172.16.10.5", end_address="172.16.10.254")
    assert (await site.put(path, json=network)).status_code == 200
    network["spec"].update(start_address="172.16.10.11")
    refused = await site.put(path, json=network)
    assert refused.status_code == 409
    assert refused.json()["users"] == ["Compute default/kanto/a (172.16.10.10)"]
    assert (await site.delete(path)).status_code == 409, "its ports are in use"


@pytest.mark.design("J3")
async def test_the_power_axis_must_be_chosen(site: Api) -> None:
    document = deepcopy(SERVICE)
    document["spec"]["compute"]["schedule_policy"] = {"rules": [{"axis": "rack", "mode": "AntiAffinity"}]}
    answer = await site.put("/v1/regions/kanto/services/web", json=document)
    assert answer.status_code == 422
    assert "power axis" in errors_of(answer)["spec.compute"]


@pytest.mark.design("J3", "J8")
@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_the_message_says_how_to_choose_and_every_way_of_choosing_is_taken(site: Api, dry_run: str) -> None:
    document = deepcopy(SERVICE)
    compute = document["spec"]["compute"]
    unchosen: dict[str, Any]
    for unchosen in ({}, {"rules": []}, {"NodeLabelHardAntiAffinities": ["room"]}):
        compute["schedule_policy"] = unchosen
        answer = await site.put("/v1/regions/kanto/services/web", json=document, params={"dry_run": dry_run})
        assert answer.status_code == 422
        message = errors_of(answer)["spec.compute"]
        assert '{"axis": "power", "mode": "AntiAffinity"} to spread over power domains' in message
        assert '{"axis": "power", "mode": "Affinity"} to gather in one (redundancy is then by GSLB)' in message
    for chosen in (
        {"rules": [{"axis": "power", "mode": "AntiAffinity", "hard": True}]},
        {"rules": [{"axis": "power", "mode": "Affinity", "value": "feed-a"}]},
        {"NodeLabelSoftUntiAffinities": ["power"]},
        {"NodeLabelHardAffinities": ["power"]},
    ):
        compute["schedule_policy"] = chosen
        answer = await site.put("/v1/regions/kanto/services/web", json=document, params={"dry_run": "true"})
        assert answer.status_code == 200, answer.text


@pytest.mark.design("J3")
@pytest.mark.parametrize(
    "more", [{"rules": [{"axis": "power", "mode": "Affinity"}]}, {"NodeLabelSoftAffinities": ["power"]}]
)
async def test_one_way_of_choosing_is_taken_and_not_both(site: Api, more: dict[str, Any]) -> None:
    document = deepcopy(SERVICE)
    spread = {"axis": "power", "mode": "AntiAffinity"}
    document["spec"]["compute"]["schedule_policy"] = {**more, "rules": [spread, *more.get("rules", [])]}
    answer = await site.put("/v1/regions/kanto/services/web", json=document, params={"dry_run": "true"})
    assert answer.status_code == 422
    assert "choose one of the two" in errors_of(answer)["spec.compute"]


@pytest.mark.design("J8")
async def test_a_field_in_two_spellings_is_refused_and_none_of_them_dropped(site: Api) -> None:
    document = deepcopy(SERVICE)
    policy = {"rules": [{"axis": "power", "mode": "Affinity"}], "NodeFilters": ["server1"], "node_filters": ["server2"]}
    document["spec"]["compute"]["schedule_policy"] = policy
    answer = await site.put("/v1/regions/kanto/services/web", json=document, params={"dry_run": "true"})
    assert answer.status_code == 422
    message = errors_of(answer)["spec.compute.schedule_policy"]
    assert "NodeFilters and node_filters are two spellings of one field" in message


@pytest.mark.design("K4")
async def test_a_loadbalancer_comes_and_goes_only_with_its_service(service: Api) -> None:
    document = deepcopy(SERVICE)
    document["spec"]["loadbalancer"] = {"provider": "libvirt", "network": "service", "listeners": [{"port": 80}]}
    answer = await service.put("/v1/regions/kanto/services/web", json=document)
    assert answer.status_code == 422
    reason = "a Loadbalancer is created only with a new RegionService and deleted only with it"
    assert errors_of(answer)["spec.loadbalancer"] == reason


@pytest.mark.design("K3")
@pytest.mark.parametrize("replicas", [0, -1, 10**400, "three", None, 1.5])
async def test_replicas_must_be_a_sane_number(site: Api, replicas: Any) -> None:
    document = deepcopy(SERVICE)
    document["spec"]["replicas"] = replicas
    answer = await site.put("/v1/regions/kanto/services/web", json=document)
    assert answer.status_code == 422
    errors_of(answer)


async def test_volume_cannot_shrink_nor_move(service: Api) -> None:
    path = "/v1/regions/kanto/volumes/data"
    spec = {"size_gib": 10, "attachment": {"service": "web", "index": 0}}
    assert (await service.put(path, json={"spec": spec})).status_code == 201
    shrunk = await service.put(path, json={"spec": {**spec, "size_gib": 5}})
    assert errors_of(shrunk) == {"spec.size_gib": "a volume cannot shrink, it has 10 GiB"}
    moved = await service.put(path, json={"spec": {**spec, "attachment": {"service": "web", "index": 1}}})
    assert errors_of(moved) == {"spec.attachment.index": "cannot be changed, it is 0"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{",
        b'{"a": 1, "a": 2}',
        b'{"spec": {"description": "a\\u0000b"}}',
        b'{"spec": {"description": "\\ud800"}}',
        b'{"\\ud800": 1}',
        b'{"kind": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"spec": ' + b"9" * 5000 + b"}",
        b'{"spec": {"description": 1e999}}',
        b"NaN",
        b"[1, 2]",
        b'{"labels": {"": ""}}',
        b'{"labels": {"a": {"b": "c"}}}',
        b'{"max_revision_history": 1e400}',
        b'{"project": "no such"}',
        b'{"project": "nowhere"}',
    ],
)
async def test_hostile_bodies_are_refused(api: Api, body: bytes) -> None:
    for path in ("/v1/regions/kanto", "/v1/apply", "/v1/delete"):
        method = "PUT" if path.endswith("kanto") else "POST"
        answer = await api.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, (path, answer.text)
        errors_of(answer)


async def test_yaml_bombs_are_refused(api: Api) -> None:
    for bomb in (b"- " * 100_000, b"a: &a [1]\nb: *c", b"a: !!python/name:os.system", b"a: 2001-99-99\n"):
        answer = await api.post("/v1/apply", content=bomb, headers={"Content-Type": "application/yaml"})
        assert answer.status_code == 422
        errors_of(answer)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/nothing", 404),
        ("/", 404),
        ("/v1/regions/KANTO", 404),
        ("/v1/regions/%00", 404),
        ("/v1/regions/kanto%0A", 404),
        ("/v1/regions/%ff%fe", 404),
        ("/v1/regions?limit=0", 422),
        ("/v1/regions?limit=1001", 422),
        ("/v1/regions?limit=99999999999999999999999999", 422),
        ("/v1/regions?limit=ten", 422),
        ("/v1/regions?limit=%D9%A3", 422),
        ("/v1/regions?limit=1&limit=2", 422),
        ("/v1/regions?nothing=1", 422),
        ("/v1/regions?label=%00", 422),
        ("/v1/regions?label=a=b=c", 422),
        ("/v1/regions?field=name", 422),
        ("/v1/regions?field=observed.%22=1", 422),
        ("/v1/regions?after=%00", 422),
        ("/v1/regions?after=", 422),
        ("/v1/global-services?project=NO", 422),
        ("/v1/watch?since=-1", 422),
        ("/v1/watch?since=99999999999999999999", 422),
        ("/v1/watch?kinds=Rock", 422),
        ("/v1/watch?since=9999", 410),
    ],
)
async def test_bad_paths_and_queries_are_refused(api: Api, path: str, status: int) -> None:
    answer = await api.get(path)
    assert answer.status_code == status, answer.text
    errors_of(answer)


async def test_wrong_methods_and_media_types(api: Api) -> None:
    patched = await api.patch("/v1/regions/kanto", json={})
    assert patched.status_code == 405
    assert "GET" in patched.headers["allow"]
    errors_of(patched)
    text = await api.put("/v1/regions/kanto", content=b"x", headers={"Content-Type": "text/csv"})
    assert text.status_code == 415
    errors_of(text)


class TestLimits:
    @pytest.fixture
    def settings(self) -> ApiSettings:
        return ApiSettings(body_limit=1000, apply_limit=5000)

    async def test_long_bodies_are_refused_by_their_length_and_while_they_stream(self, api: Api) -> None:
        async def endless() -> Any:
            while True:
                yield b" " * 500

        long = {"spec": {"description": "x" * 1000}}
        assert (await api.put("/v1/regions/kanto", json=long)).status_code == 413
        answer = await api.put("/v1/regions/kanto", content=endless())
        assert answer.status_code == 413
        assert answer.json()["code"] == "too_large"
        documents = [{"kind": "Region", "name": f"r{number}"} for number in range(1000)]
        assert (await api.apply(*documents)).status_code == 413
        assert (await api.apply(*documents[:50])).status_code == 200


async def test_request_ids_are_the_callers_when_sane(app: Starlette, api: Api) -> None:
    given = await api.get("/v1/regions", headers={"X-Request-Id": "ticket-42"})
    assert given.headers["x-request-id"] == "ticket-42"
    made = await api.get("/v1/regions", headers={"X-Request-Id": "a b"})
    assert made.headers["x-request-id"] != "a b"


@pytest.mark.parametrize("path", ["/v1/regions", "/v1/regions/none", "/v1", "/v1/topology", "/openapi.json"])
async def test_every_answer_tells_the_version_of_the_api(api: Api, path: str) -> None:
    assert (await api.get(path)).headers["x-api-version"] == "1"
    assert (await api.post("/v1/apply", headers={"Authorization": "Bearer wrong"})).headers["x-api-version"] == "1"


async def test_an_unexpected_error_reveals_nothing_of_the_inside(
    app: Starlette, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **more: object) -> None:
        raise ZeroDivisionError("the secret inside")

    monkeypatch.setattr("controller.store.resources.get", broken)
    answer = await api.get("/v1/regions/kanto")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "secret" not in answer.text
