"""Real sockets: who gets in, what comes back, and renewal under traffic."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from grpc import aio

from controller.clock import SystemClock
from controller.errors import (
    Conflict,
    Forbidden,
    InternalError,
    InvalidInput,
    Problem,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from controller.pki import ROOT, AuthorityTree, CredentialFolder, Identity, cluster_scope, server_name
from controller.pki.identity import authority_name
from controller.rpc import Channels, RpcServer, translated
from controller.rpc.channel import first_contact_channel
from controller.wire import agent_pb2, agent_pb2_grpc, status_pb2, status_pb2_grpc
from tests.python.eventually import eventually
from tests.python.integration.rpc.support import API, API_NAME, NODE, Site, site


async def renew(channel: aio.Channel, csr: bytes = b"", timeout: float = 60) -> str:
    with translated():
        stub: Any = agent_pb2_grpc.AgentServiceStub(channel)
        reply = await stub.Renew(agent_pb2.RenewRequest(csr=csr), timeout=timeout)
    return str(reply.certificate.decode())


async def status(channel: aio.Channel) -> status_pb2.StatusReply:
    with translated():
        stub: Any = status_pb2_grpc.StatusServiceStub(channel)
        reply: status_pb2.StatusReply = await stub.Status(status_pb2.StatusRequest(), timeout=60)
    return reply


@pytest.mark.design("F4", "A9")
async def test_calls_over_tcp_and_unix_sockets_carry_the_identity(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        channels = Channels(made.folder(NODE))
        for target in (made.target, made.socket):
            assert await renew(channels.get(target, API_NAME)) == NODE.uri
            assert (await status(channels.get(target, API_NAME))).ready
        assert channels.get(made.target, API_NAME) is channels.get(made.target, API_NAME)
        await channels.close()


async def test_a_wrong_identity_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        for wrong in (Identity(ROOT, "resource-controller", "rc-1"), Identity.node("osaka1", "node-1")):
            channels = Channels(made.folder(wrong))
            with pytest.raises(Forbidden, match="may not do this"):
                await renew(channels.get(made.target, API_NAME))
            await channels.close()
        # The client may have its answer a moment before the server has counted the call.
        refused = [("/resource.v1.AgentService/Renew", "PERMISSION_DENIED")] * 2
        await eventually(lambda: made.calls == refused)


async def test_a_certificate_of_another_root_is_no_certificate(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        stranger = AuthorityTree(tmp_path / "other", clock=SystemClock())
        stranger.issue(NODE, tmp_path / "stranger")
        folder = CredentialFolder(tmp_path / "stranger")
        folder.store_roots(made.tree.root().roots)  # so that the client trusts the server
        channels = Channels(folder)
        with pytest.raises(Unavailable):
            await renew(channels.get(made.target, API_NAME))
        await channels.close()
        assert made.calls == []


async def test_the_client_refuses_a_server_of_another_name(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        channels = Channels(made.folder(NODE))
        wrong = (
            server_name(cluster_scope("osaka1"), "cluster-api"),
            server_name(ROOT, "resource-api"),
            server_name(API.scope, API.kind, "api-2"),
        )
        for name in wrong:
            with pytest.raises(Unavailable):
                await status(channels.get(made.target, name))
        assert (await status(channels.get(made.target, server_name(API.scope, API.kind, API.name)))).ready
        await channels.close()


async def test_a_cluster_authority_cannot_make_a_server_of_another_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(tmp_path) as made:
        # osaka1's authority signs tokyo1's names by hand, under its own true name as the issuer.
        osaka = made.tree.scope(cluster_scope("osaka1"))
        own_name = authority_name(cluster_scope("osaka1"))
        folder = CredentialFolder(tmp_path / "forged")
        with monkeypatch.context() as patch:
            patch.setattr("controller.pki.authority.authority_name", lambda _: own_name)
            folder.store(*osaka.issue(Identity(API.scope, API.kind, "fake"), clock=SystemClock()))
        server = RpcServer(folder)
        port = server.listen("127.0.0.1:0")
        await server.start()
        channels = Channels(made.folder(NODE))
        try:
            with pytest.raises(Unavailable):
                await status(channels.get(f"127.0.0.1:{port}", API_NAME))
        finally:
            await channels.close()
            await server.stop(0)


async def test_first_contact_needs_no_certificate_and_is_still_unknown(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        roots = made.tree.root().roots
        channel = first_contact_channel(f"127.0.0.1:{made.open_port}", API_NAME, roots)
        with pytest.raises(Unauthenticated):
            await status(channel)
        await channel.close(None)
        channel = first_contact_channel(made.target, API_NAME, roots)
        with pytest.raises(Unavailable):
            await status(channel)
        await channel.close(None)


async def test_errors_deadlines_and_request_ids_travel(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        channels = Channels(made.folder(NODE))
        channel = channels.get(made.target, API_NAME)
        made.agents.error = InvalidInput([Problem("csr", "no good")])
        with pytest.raises(InvalidInput) as invalid:
            await renew(channel)
        assert invalid.value.problems == (Problem("csr", "no good"),)
        made.agents.error = ZeroDivisionError("secret")
        with pytest.raises(InternalError, match="request id") as broken:
            await renew(channel)
        assert "secret" not in broken.value.message
        made.agents.error = None
        with pytest.raises(TimedOut):
            await renew(channel, b"slow", timeout=0.1)
        stub: Any = agent_pb2_grpc.AgentServiceStub(channel)
        await stub.Renew(agent_pb2.RenewRequest(), timeout=60, metadata=(("x-request-id", "abc-1"),))
        assert made.agents.request_ids[-1] == "abc-1"
        assert all(made.agents.request_ids)
        assert len(set(made.agents.request_ids)) == len(made.agents.request_ids)
        made.agents.error = Conflict("a newer session took over")
        call = stub.Session()
        await call.write(agent_pb2.AgentMessage(heartbeat=agent_pb2.Heartbeat(message="fail")))
        with pytest.raises(Conflict, match="newer session"), translated():
            await call.read()
        await channels.close()


async def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        second = RpcServer(CredentialFolder(tmp_path / API.kind / API.name))
        with pytest.raises(Unavailable, match="cannot listen"):
            second.listen(made.target)
        await second.stop(0)


async def test_certificates_renew_under_traffic(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        server_folder = CredentialFolder(tmp_path / API.kind / API.name)
        client_folder = made.folder(NODE)
        channels = Channels(client_folder)
        first = channels.get(made.target, API_NAME)
        stub: Any = agent_pb2_grpc.AgentServiceStub(first)
        stream = stub.Session()
        await beat(stream)
        done = 0

        async def traffic() -> None:
            nonlocal done
            while True:
                await renew(channels.get(made.target, API_NAME))
                done += 1

        task = asyncio.create_task(traffic())
        serials: set[int] = set()
        try:
            for _ in range(5):
                made.tree.issue(API, server_folder.path)
                made.tree.issue(NODE, client_folder.path)
                seen = done
                while done < seen + 5:
                    await asyncio.wait([task], timeout=0.01)
                    assert not task.done(), task.exception()
                serials.add(await served_serial(made))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        # New connections saw each new certificate; the old stream was never disturbed.
        assert len(serials) == 5
        assert channels.get(made.target, API_NAME) is not first
        del first, stub
        gc.collect()
        await beat(stream)
        stream.cancel()
        await channels.close()


async def test_an_expired_certificate_is_refused_until_it_is_renewed(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        folder = made.folder(NODE, ttl=timedelta(seconds=-1))
        channels = Channels(folder)
        with pytest.raises(Unavailable):
            await renew(channels.get(made.target, API_NAME))
        made.tree.issue(NODE, folder.path)
        assert await renew(channels.get(made.target, API_NAME)) == NODE.uri
        await channels.close()


async def test_a_broken_folder_keeps_the_server_on_its_last_certificate(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        (tmp_path / API.kind / API.name / "identity.pem").write_bytes(b"broken")
        channels = Channels(made.folder(NODE))
        assert await renew(channels.get(made.target, API_NAME)) == NODE.uri
        await channels.close()


async def test_stop_lets_running_calls_finish_and_ends_streams(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        channels = Channels(made.folder(NODE))
        channel = channels.get(made.target, API_NAME)
        stub: Any = agent_pb2_grpc.AgentServiceStub(channel)
        stream = stub.Session()
        await beat(stream)
        slow = asyncio.create_task(renew(channel, b"slow"))
        while not made.agents.request_ids:
            await asyncio.wait([slow], timeout=0.01)
        await made.server.stop(1.0)
        assert await slow == NODE.uri
        await asyncio.wait_for(made.agents.ended.wait(), 60)
        with pytest.raises((aio.AioRpcError, asyncio.CancelledError)):
            await stream.read()
        await channels.close()


async def beat(stream: Any) -> None:
    await stream.write(agent_pb2.AgentMessage(heartbeat=agent_pb2.Heartbeat(healthy=True)))
    reply = await asyncio.wait_for(stream.read(), 60)
    assert reply is not aio.EOF  # type: ignore[attr-defined]  # the stubs leave it out
    assert reply.assignments.full


async def served_serial(made: Site) -> int:
    """Serial number of the certificate that the server shows to a new connection."""
    context = ssl.create_default_context(cadata=made.tree.root().roots.decode())
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", made.open_port, ssl=context)
    try:
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown).serial_number
    finally:
        writer.close()


async def test_a_connection_without_a_handshake_ends(tmp_path: Path) -> None:
    async with site(tmp_path) as made:
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01"):
            reader, writer = await asyncio.open_connection("127.0.0.1", made.open_port)
            writer.write(sent)
            async with asyncio.timeout(60):
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
            writer.close()
