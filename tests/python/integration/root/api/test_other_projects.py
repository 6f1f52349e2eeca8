"""A token of one project learns nothing of another: neither the name of the project nor of what is in it.

Every operation that reads is asked for everything that the site has, so a new kind or operation is tried as well.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from controller.client import AsyncClient
from controller.clock import SystemClock, VirtualClock
from controller.model import registry
from controller.model.access import PROJECT
from controller.model.assignment import Assignment
from controller.model.compute import Compute
from controller.model.event import Event
from controller.model.network import NetworkV4Port
from controller.model.node import NODE
from controller.model.registry import AnyResource, Kind
from controller.root.api import routes
from controller.root.api.app import create_app
from controller.root.api.settings import ApiSettings
from controller.store import resources
from controller.store.changes import Feed
from controller.store.database import Database, Transaction
from tests.python.integration.root.api.clusters import FakeClusters
from tests.python.integration.root.api.conftest import SERVICE, Api
from tests.python.integration.root.api.serving import served, socket_in

OTHER = "othercorp"
AsToken = Callable[..., Api]


@pytest.fixture
def app(db: Database, clock: VirtualClock, settings: ApiSettings, clusters: FakeClusters) -> Starlette:
    return create_app(db, Feed(db, SystemClock(), 0.02), clock, settings, clusters)


@pytest.fixture
async def both(site: Api, db: Database) -> Api:
    """A site with a service in each of two projects, and what controllers write about them."""
    projects = [{"kind": "Project", "name": name} for name in ("mine", OTHER)]
    more = [
        {"kind": "GlobalService", "name": f"{name}-global", "project": name, "spec": {"domain": f"{name}.example.com"}}
        for name in ("mine", OTHER)
    ]
    services = [{**SERVICE, "project": name, "name": f"{name}-web"} for name in ("mine", OTHER)]
    answer = await site.apply(*projects, *more, *services)
    assert answer.status_code == 200, answer.text
    db.write(_observe)
    return site


def _observe(tx: Transaction) -> None:
    made: list[AnyResource] = []
    for number, project in enumerate(("mine", OTHER, OTHER)):
        path = f"{project}/kanto/{project}-web-{number}"
        about = {"resource_kind": "Compute", "resource": path}
        spec = {
            "service": f"{project}-web",
            "index": number,
            "host_name": f"{project}-web-{number}.{project}.kanto",
            "cluster": "tokyo1",
            "provider": "libvirt",
            "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1},
            "image": {"url": "file:///guest.qcow2", "checksum": "sha256:" + "0" * 64},
        }
        owner = {"owner_kind": "Compute", "owner": path, "address": f"172.16.10.1{number}"}
        names = {"name": f"{project}-web-{number}", "region": "kanto", "project": project}
        of_network = {"cluster": "tokyo1", "network": "service", "name": f"172-16-10-1{number}"}
        made += [
            Compute.model_validate({**names, "spec": spec, "observed": {"node": "server1"}}),
            Event.model_validate({"name": f"e{number}", "spec": {**about, "reason": "Scheduled"}}),
            Assignment.model_validate(
                {
                    "name": f"a{number}",
                    "cluster": "tokyo1",
                    "spec": {**about, "resource_uid": f"u{number}", "node": "server1"},
                }
            ),
            NetworkV4Port.model_validate({**of_network, "spec": {**owner, "mac": f"52:54:ac:10:0a:1{number}"}}),
        ]
    about_project = {"resource_kind": "Project", "resource": OTHER, "reason": "Changed"}
    made.append(Event.model_validate({"name": "e9", "spec": about_project}))
    resources.insert(tx, made)
    node = resources.get(tx, NODE.key("tokyo1", "server1"))
    blocked = [{"resource": f"{OTHER}/kanto/{OTHER}-web-1", "reason": "too little memory"}]
    drain = {"remaining": 1, "moving": {f"{OTHER}/kanto/{OTHER}-web-2": "server2"}, "blocked_by": blocked}
    aside = [{"key": "u1.1", "uid": "u1", "name": f"{OTHER}.kanto.{OTHER}-web-1"}]
    observed = {**node.observed, "drain": drain, "quarantine": aside}
    resources.update(tx, [node.model_copy(update={"observed": observed})])


def _path(template: str, found: AnyResource, more: str = "") -> str:
    names = iter((*found.parent_names, found.name + more))
    return re.sub(r"\{[^}]*\}", lambda match: next(names), template)


def _query(kind: Kind, found: AnyResource) -> dict[str, str]:
    return {"project": found.project} if kind.per_project else {}


def _is_of_other(found: AnyResource) -> bool:
    return OTHER in found.model_dump_json(exclude={"observed"})


async def test_no_operation_tells_of_another_project(both: Api, as_token: AsToken, db: Database) -> None:
    stored = db.read(lambda tx: {kind.name: resources.list_all(tx, kind.name) for kind in registry.kinds()})
    assert OTHER in (await both.get("/v1/clusters/tokyo1/nodes/server1")).text, "an admin reads it"
    tried = 0
    async with as_token("operator", "mine") as mine:
        for operation in routes.operations():
            kind = operation.kind
            if operation.method != "GET" or operation.id == "WatchResources":
                continue
            if kind is None:
                answer = await mine.get(operation.path)
                assert answer.status_code == 200
                assert OTHER not in answer.text
                continue
            for found in stored[kind.name]:
                path = _path(operation.path, found)
                answer = await mine.get(path, params=_query(kind, found))
                if not _is_of_other(found) or operation.path == kind.collection_path:
                    assert OTHER not in answer.text.replace(f"project {OTHER}", ""), (operation.id, answer.text)
                    continue
                tried += 1
                assert answer.status_code in (403, 404), operation.id
                absent = await mine.get(_path(operation.path, found, "x"), params=_query(kind, found))
                assert absent.status_code == answer.status_code, "whether it exists is not told"
                assert absent.json()["code"] == answer.json()["code"]
    assert tried > 10


async def test_pages_and_their_cursors_have_the_own_projects_only(both: Api, as_token: AsToken) -> None:
    """A cursor was the path of the last resource of the page, of whatever project."""
    seen: dict[str, set[str]] = {}
    async with as_token("viewer", "mine") as mine:
        for kind in registry.kinds():
            after: str | None = ""
            while after is not None:
                params = {"limit": "1", "project": "*"} if kind.per_project else {"limit": "1"}
                path = re.sub(r"\{[^}]*\}", "-", kind.collection_path)
                answer = await mine.get(path, params={**params, **({"after": after} if after else {})})
                if kind.access.confidential:
                    assert answer.status_code == 403
                    break
                assert answer.status_code == 200, answer.text
                assert OTHER not in answer.text
                page = answer.json()
                seen.setdefault(kind.name, set()).update(one["name"] for one in page["items"])
                after = page["next_after"]
        for field in (f"spec.resource={OTHER}/kanto/{OTHER}-web-1", "spec.resource_kind=Project"):
            page = (await mine.get("/v1/events", params={"field": field, "limit": "1"})).json()
            assert (page["items"], page["next_after"]) == ([], None)
        hidden = {"field": f"observed.drain.blocked_by.0.resource={OTHER}/kanto/{OTHER}-web-1"}
        assert (await mine.get("/v1/clusters/tokyo1/nodes", params=hidden)).status_code == 403
    assert seen["Project"] == {"mine"}
    assert seen["Compute"] == {"mine-web-0"}
    assert (seen["Event"], seen["Assignment"], seen["NetworkV4Port"]) == ({"e0"}, {"a0"}, {"172-16-10-10"})
    assert seen["Node"] == {"server1"}


async def test_refused_writes_tell_nothing(both: Api, as_token: AsToken) -> None:
    service = f"/v1/regions/kanto/services/{OTHER}-web"
    async with as_token("operator", "mine") as mine:
        for method, path in (("PUT", service), ("DELETE", service), ("POST", f"{service}/scale")):
            answers = [
                await mine.request(method, f"{where}?project={project}", json={"replicas": 1})
                for where in (path, path.replace("-web", "-none"))
                for project in (OTHER, "no-such-project")
            ]
            assert {answer.status_code for answer in answers} == {403}
        for path in (f"/v1/projects/{OTHER}", "/v1/regions/kanto/images/guest", "/v1/flavors/small"):
            answer = await mine.delete(path)
            assert answer.status_code == 403
            assert "web" not in answer.text, "not who uses it"


@pytest.fixture
async def watching(app: Starlette, both: Api, as_token: AsToken, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    secret = as_token("viewer", "mine").headers["authorization"].removeprefix("Bearer ")
    socket = socket_in(tmp_path)
    async with served(app, unix_socket=socket), AsyncClient(f"unix:{socket}", token=secret) as made:
        yield made


async def test_a_watch_from_the_first_version_tells_nothing(both: Api, watching: AsyncClient) -> None:
    await both.put("/v1/projects/mine", json={"spec": {"description": "last"}})
    kinds: set[str] = set()
    async for line in watching.watch([], 0):
        assert OTHER not in str(line)
        resource: dict[str, Any] = line.get("resource") or {}
        kinds.add(resource.get("kind", ""))
        if resource.get("kind") == PROJECT.name and resource["spec"]["description"] == "last":
            break
    assert {"Node", "Compute", "Event"} <= kinds
