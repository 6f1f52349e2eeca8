"""The API on a temporary SQLite database, used in-process: no sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from controller.clock import VirtualClock
from controller.model.access import TokenRole
from controller.root.api.app import create_app
from controller.root.api.bootstrap import ensure_default_project, first_token
from controller.root.api.settings import ApiSettings
from controller.store import tokens
from controller.store.changes import Feed
from controller.store.database import Database
from tests.python.integration.root.api.clusters import FakeClusters

SITE: list[dict[str, Any]] = [
    {"kind": "Region", "name": "kanto"},
    {"kind": "Datacenter", "name": "tokyo"},
    {"kind": "Floor", "name": "floor-1-1-1", "datacenter": "tokyo"},
    {"kind": "Rack", "name": "rack-1", "datacenter": "tokyo", "spec": {"floor": "floor-1-1-1"}},
    {"kind": "Cluster", "name": "tokyo1", "spec": {"region": "kanto", "datacenter": "tokyo"}},
    {"kind": "Provider", "name": "libvirt", "spec": {"provides": "VirtualMachine", "driver": "Libvirt"}},
    {
        "kind": "ResourceFlavor",
        "name": "small",
        "spec": {"provider": "libvirt", "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}},
    },
    {
        "kind": "Image",
        "name": "guest",
        "region": "kanto",
        "spec": {"url": "https://images.example.com/guest.qcow2", "checksum": "sha256:" + "0" * 64},
    },
    {
        "kind": "NetworkV4",
        "name": "service",
        "cluster": "tokyo1",
        "spec": {
            "subnet": "172.16.10.0/24",
            "gateway": "172.16.10.1",
            "start_address": "172.16.10.10",
            "end_address": "172.16.10.250",
        },
    },
    {"kind": "Node", "name": "server1", "cluster": "tokyo1", "spec": {"providers": ["libvirt"]}},
]
SERVICE: dict[str, Any] = {
    "kind": "RegionService",
    "name": "web",
    "region": "kanto",
    "spec": {
        "replicas": 3,
        "compute": {
            "flavor": "small",
            "image": "guest",
            "schedule_policy": {"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
        },
    },
}


@pytest.fixture
def db(database: Database) -> Database:
    """A root database with its default project, once per engine."""
    ensure_default_project(database)
    return database


@pytest.fixture
def clusters() -> FakeClusters:
    return FakeClusters()


@pytest.fixture
def settings() -> ApiSettings:
    return ApiSettings()


@pytest.fixture
def app(db: Database, clock: VirtualClock, settings: ApiSettings, clusters: FakeClusters) -> Starlette:
    return create_app(db, Feed(db, clock), clock, settings, clusters)


class Api(httpx.AsyncClient):
    """A client of the app with one token."""

    def __init__(self, app: Starlette, secret: str | None) -> None:
        headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        super().__init__(transport=transport, base_url="http://api", headers=headers)

    async def apply(self, *documents: Mapping[str, Any], **params: Any) -> httpx.Response:
        return await self.post("/v1/apply", json=list(documents), params=params)


@pytest.fixture
async def api(app: Starlette, db: Database) -> AsyncIterator[Api]:
    """An admin."""
    async with Api(app, first_token(db)) as client:
        yield client


@pytest.fixture
async def site(api: Api) -> Api:
    """An admin, and a site with a cluster, a flavor, an image and a network."""
    answer = await api.apply(*SITE)
    assert answer.status_code == 200, answer.text
    return api


@pytest.fixture
async def service(site: Api) -> Api:
    """The site with RegionService web."""
    answer = await site.apply(SERVICE)
    assert answer.status_code == 200, answer.text
    return site


@pytest.fixture
def as_token(app: Starlette, db: Database) -> Callable[..., Api]:
    """Makes a client with a token of its own."""

    def make(role: str, *projects: str) -> Api:
        name = "-".join(("token", role, *projects))
        return Api(app, db.write(lambda tx: tokens.create(tx, name, TokenRole(role), projects))[1])

    return make
