"""Both clients run the same calls against a served API; what one can, the other can."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette

from controller.client import AsyncClient, Client
from controller.clock import VirtualClock
from controller.errors import Conflict, InvalidInput, NotFound, PreconditionFailed, Unavailable
from controller.model import registry
from controller.root.api.app import create_app
from controller.root.api.bootstrap import ensure_default_project, first_token
from controller.root.api.settings import ApiSettings
from controller.store.changes import Feed
from controller.store.database import Database, Tier
from tests.python.databases import Databases
from tests.python.integration.root.api.clusters import FakeClusters
from tests.python.integration.root.api.conftest import SERVICE, SITE
from tests.python.integration.root.api.serving import served, socket_in

REGION = registry.get("Region").key("kanto")
WEB = registry.get("RegionService").key("kanto", "web")


class Threaded:
    """A synchronous client, asked from an event loop: calls run in threads."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        if name == "list":
            return self._list
        return lambda *arguments, **more: asyncio.to_thread(method, *arguments, **more)

    async def _list(self, *arguments: Any, **more: Any) -> AsyncIterator[Any]:
        for item in await asyncio.to_thread(lambda: list(self._client.list(*arguments, **more))):
            yield item


@pytest.fixture
def db(sqlite_databases: Databases, clock: VirtualClock) -> Database:
    database = sqlite_databases.new(Tier.ROOT, clock)
    ensure_default_project(database)
    return database


@pytest.fixture
def app(db: Database, clock: VirtualClock) -> Starlette:
    return create_app(db, Feed(db, clock), clock, ApiSettings(), FakeClusters())


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, app: Starlette, db: Database, tmp_path: Path) -> AsyncIterator[Any]:
    secret = first_token(db)
    url = f"unix:{socket_in(tmp_path)}"
    async with served(app, unix_socket=socket_in(tmp_path)):
        if request.param == "async":
            async with AsyncClient(url, token=secret) as made:
                yield made
        else:
            with Client(url, token=secret) as plain:
                yield Threaded(plain)


async def test_write_read_list_change_and_delete(client: Any) -> None:
    results = await client.apply([*SITE, SERVICE])
    assert {result["action"] for result in results} == {"create"}
    web = await client.get(WEB)
    assert web["status"] == "Initializing"
    assert [one["name"] async for one in client.list("RegionService")] == ["web"]
    assert [one["name"] async for one in client.list("Rack", "tokyo", page_size=1)] == ["rack-1"]
    assert (await client.act(WEB, "scale", {"replicas": 5}))["spec"]["replicas"] == 5
    with pytest.raises(PreconditionFailed):
        await client.put(SERVICE, if_match=web["resource_version"])
    with pytest.raises(Conflict) as conflict:
        await client.delete(REGION)
    assert "RegionService default/kanto/web" in conflict.value.users
    with pytest.raises(InvalidInput) as invalid:
        await client.put({"kind": "Region", "name": "kanto", "colour": "red"})
    assert [str(problem) for problem in invalid.value.problems] == ["colour: unknown field"]
    assert (await client.delete(WEB))["status"] == "Deleting"
    with pytest.raises(NotFound):
        await client.get(registry.get("Region").key("kansai"))


async def test_plans_of_the_synchronous_client(app: Starlette, db: Database, tmp_path: Path) -> None:
    secret = first_token(db)
    async with served(app, unix_socket=socket_in(tmp_path)):
        with Client(f"unix:{socket_in(tmp_path)}", token=secret) as plain:
            client = Threaded(plain)
            plan = await client.plan(SITE)
            assert {change["action"] for change in plan["changes"]} == {"create"}
            await client.apply(SITE)
            assert (await client.plan_delete(REGION))["changes"][0]["refusals"]
            assert not any(change["refusals"] for change in (await client.plan_delete_many(SITE))["changes"])
            await client.apply([SERVICE])
            assert [one["revision"] for one in await client.revisions(WEB)] == [1]
            assert [one["status"] for one in await client.delete_many([SERVICE])] == ["Deleting"]


async def test_nobody_there() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unavailable):
        client.get(REGION)
    async with AsyncClient("http://127.0.0.1:1") as other:
        with pytest.raises(Unavailable):
            await other.get(REGION)


def test_both_clients_have_the_same_calls() -> None:
    shared = [name for name in vars(AsyncClient) if not name.startswith("_") and name != "aclose"]
    for name in shared:
        ours, theirs = inspect.signature(getattr(Client, name)), inspect.signature(getattr(AsyncClient, name))
        assert list(ours.parameters) == list(theirs.parameters), name


def certificate(folder: Path) -> dict[str, Path]:
    """A self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    files = {"tls_certificate": folder / "api.pem", "tls_key": folder / "api.key"}
    files["tls_certificate"].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    files["tls_key"].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return files


async def test_over_tls_with_a_private_authority(app: Starlette, db: Database, tmp_path: Path) -> None:
    secret = first_token(db)
    files = certificate(tmp_path)
    async with served(app, port=0, **files) as server:
        port = server.servers[0].sockets[0].getsockname()[1]
        async with AsyncClient(f"https://127.0.0.1:{port}", token=secret, ca=files["tls_certificate"]) as client:
            assert (await client.put({"kind": "Region", "name": "kanto"}))["name"] == "kanto"
        async with AsyncClient(f"https://127.0.0.1:{port}", token=secret) as stranger:
            with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get(REGION)
