"""A node joins with a one-time token, renews by itself, and joins again when it was away too long."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from controller.agent.enrolment import Enrolment
from controller.clock import SystemClock
from controller.errors import Unauthenticated, Unavailable
from controller.pki import CredentialFolder, Identity
from controller.rpc import Channels
from tests.python.eventually import eventually
from tests.python.integration.agent.api import Site

NODE = Identity.node("tokyo1", "server0")


def enrolment(
    site: Site, folder: CredentialFolder, channels: Channels, token: str, root: Path | None = None
) -> Enrolment:
    return Enrolment(
        folder,
        NODE,
        channels,
        api=site.target,
        join_api=site.join_target,
        clock=SystemClock(),
        token=lambda: token,
        authority=root or site.root,
    )


async def test_first_contact_then_renewal(site: Site, tmp_path: Path) -> None:
    site.api.tokens.add("secret")
    folder = CredentialFolder(tmp_path / "node")
    channels = Channels(folder)
    joined = enrolment(site, folder, channels, "secret")
    credentials = await joined.renewer.ensure()
    assert credentials.identity == NODE
    assert (folder.path / "identity.pem").stat().st_mode & 0o777 == 0o600
    # The token was good for once; from now on the certificate speaks for the node.
    assert await joined.renewer.ensure() == credentials
    renewed = await joined.renewer.renew()
    assert renewed.leaf != credentials.leaf
    assert (site.api.joins, site.api.renewals) == (1, 1)
    await channels.close()


async def test_renews_by_itself_while_short_lived(site: Site, tmp_path: Path) -> None:
    site.api.tokens.add("secret")
    site.api.ttl = timedelta(seconds=2)
    folder = CredentialFolder(tmp_path / "node")
    channels = Channels(folder)
    joined = enrolment(site, folder, channels, "secret")
    await joined.renewer.ensure()
    task = asyncio.create_task(joined.renewer.run())
    await eventually(lambda: site.api.renewals >= 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await channels.close()


async def test_a_dead_certificate_needs_a_new_token(site: Site, tmp_path: Path) -> None:
    folder = CredentialFolder(tmp_path / "node")
    site.api.tree.issue(NODE, folder.path, ttl=timedelta(seconds=-1))
    channels = Channels(folder)
    with pytest.raises(Unauthenticated, match="join token"):
        await enrolment(site, folder, channels, "").renewer.ensure()
    with pytest.raises(Unauthenticated, match="unknown join token"):
        await enrolment(site, folder, channels, "guess").renewer.ensure()
    site.api.tokens.add("second")
    credentials = await enrolment(site, folder, channels, "second").renewer.ensure()
    assert credentials.valid_until > SystemClock().now()
    await channels.close()


async def test_the_server_must_be_of_the_trusted_root(site: Site, tmp_path: Path) -> None:
    from controller.pki import AuthorityTree

    other = AuthorityTree(tmp_path / "other", clock=SystemClock())
    other.root()
    folder = CredentialFolder(tmp_path / "node")
    channels = Channels(folder)
    site.api.tokens.add("secret")
    wrong = tmp_path / "other" / "root" / "bundle.pem"
    with pytest.raises(Unavailable):
        await enrolment(site, folder, channels, "secret", wrong).renewer.ensure()
    assert site.api.tokens == {"secret"}, "the token was not shown to a stranger"
    await channels.close()
