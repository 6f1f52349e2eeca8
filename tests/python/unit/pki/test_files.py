"""The folder of credentials, the tree of authorities and renewal."""

from __future__ import annotations

import asyncio
import itertools
import random
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from controller.clock import SystemClock, VirtualClock
from controller.errors import InvalidInput, Unavailable
from controller.pki import (
    ROOT,
    AuthorityTree,
    CredentialFolder,
    Identity,
    Issued,
    Lifetimes,
    Renewer,
    cluster_scope,
    local_issuer,
)
from controller.pki.files import write_file

NODE = Identity.node("tokyo1", "node-1")
MINUTE = Lifetimes(leaf=timedelta(seconds=60))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_private_and_nothing_is_left_beside(tmp_path: Path) -> None:
    tree = AuthorityTree(tmp_path / "pki", clock=SystemClock())
    credentials = tree.issue(NODE, tmp_path / "node-1")
    assert credentials.identity == NODE
    assert sorted(path.name for path in (tmp_path / "node-1").iterdir()) == ["bundle.pem", "identity.pem"]
    private = [*tmp_path.rglob("identity.pem"), *tmp_path.rglob("authority.pem")]
    assert len(private) == 3
    assert {mode(path) for path in private} == {0o600}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_file(path, b"old", mode=0o600)
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_file(path, b"new", mode=0o600)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_tree_is_made_once(tmp_path: Path) -> None:
    first = AuthorityTree(tmp_path, clock=SystemClock())
    serials = [first.root().certificate.serial_number, first.scope(ROOT).certificate.serial_number]
    again = AuthorityTree(tmp_path, clock=SystemClock())
    assert serials == [again.root().certificate.serial_number, again.scope(ROOT).certificate.serial_number]


def test_clusters_go_on_while_the_root_authority_is_offline(tmp_path: Path) -> None:
    tree = AuthorityTree(tmp_path, clock=SystemClock())
    tree.scope(cluster_scope("tokyo1"))
    (tmp_path / "root" / "authority.pem").unlink()
    assert tree.issue(NODE, tmp_path / "node-1").identity == NODE
    with pytest.raises(Unavailable, match="cannot read the authority"):
        tree.scope(cluster_scope("osaka1"))


def test_a_half_made_authority_is_made_again(tmp_path: Path) -> None:
    tree = AuthorityTree(tmp_path, clock=SystemClock())
    tree.root()
    (tmp_path / "root" / "bundle.pem").unlink()
    assert tree.root().roots == (tmp_path / "root" / "bundle.pem").read_bytes()


def test_no_certificate_outlives_its_authority(tmp_path: Path) -> None:
    lifetimes = Lifetimes(intermediate=timedelta(hours=2), leaf=timedelta(days=1))
    tree = AuthorityTree(tmp_path, clock=SystemClock(), lifetimes=lifetimes)
    credentials = tree.issue(NODE, tmp_path / "node-1")
    assert credentials.valid_until == tree.scope(NODE.scope).certificate.not_valid_after_utc
    chain = x509.load_pem_x509_certificates(credentials.chain)
    assert len(chain) == 2
    chain[0].verify_directly_issued_by(chain[1])
    chain[1].verify_directly_issued_by(x509.load_pem_x509_certificate(credentials.roots))


def test_a_changed_folder_is_seen_and_a_broken_one_is_named(tmp_path: Path) -> None:
    tree = AuthorityTree(tmp_path / "pki", clock=SystemClock())
    folder = CredentialFolder(tmp_path / "node-1")
    with pytest.raises(Unavailable, match="cannot read the credentials"):
        folder.load()
    first = tree.issue(NODE, folder.path)
    assert folder.load() == first
    assert folder.load() is folder.load()
    second = tree.issue(NODE, folder.path)
    assert folder.load() == second != first
    (folder.path / "identity.pem").write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"identity\.pem"):
        folder.load()


async def test_renewal_comes_at_half_life_and_survives_an_authority_that_is_away(tmp_path: Path) -> None:
    clock = VirtualClock()
    tree = AuthorityTree(tmp_path / "pki", clock=clock, lifetimes=MINUTE)
    sign = local_issuer(tree.scope_folder(NODE.scope), NODE, clock=clock, ttl=MINUTE.leaf)
    asked: list[float] = []
    away = False

    async def issuer(request: bytes) -> Issued:
        asked.append(clock.monotonic())
        if away:
            raise Unavailable("cluster-api is away")
        return await sign(request)

    folder = CredentialFolder(tmp_path / "node-1")
    renewer = Renewer(folder, NODE, issuer, clock=clock, source=random.Random(7))
    first = await renewer.ensure()
    assert await renewer.ensure() is first
    assert 24 <= renewer.seconds_to_renewal(first) <= 36

    task = asyncio.create_task(renewer.run())
    try:
        await clock.advance(120)
        gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
        assert len(gaps) >= 3
        assert all(24 <= gap <= 37 for gap in gaps)
        assert len(set(gaps)) > 1
        away = True
        tries = len(asked)
        await clock.advance(100)
        assert len(asked) - tries > 20
        away = False
        await clock.advance(3)
        assert folder.load().valid_until > clock.now()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("broken", ["missing", "dead", "other", "garbage"])
async def test_unusable_credentials_are_replaced_at_the_start(tmp_path: Path, broken: str) -> None:
    clock = VirtualClock()
    tree = AuthorityTree(tmp_path / "pki", clock=clock, lifetimes=MINUTE)
    folder = CredentialFolder(tmp_path / "node-1")
    match broken:
        case "dead":
            tree.issue(NODE, folder.path)
            clock.shift(61)
        case "other":
            tree.issue(Identity.node("tokyo1", "node-2"), folder.path)
        case "garbage":
            tree.issue(NODE, folder.path)
            (folder.path / "identity.pem").write_bytes(b"garbage")
    issuer = local_issuer(tree.scope_folder(NODE.scope), NODE, clock=clock, ttl=MINUTE.leaf)
    credentials = await Renewer(folder, NODE, issuer, clock=clock).ensure()
    assert credentials.identity == NODE
    assert credentials.valid_until > clock.now()


def test_a_lost_root_authority_is_not_replaced_by_another(tmp_path: Path) -> None:
    """A new one was created, and nothing that existed trusted what it signed."""
    tree = AuthorityTree(tmp_path / "pki", clock=SystemClock())
    tree.scope(ROOT)
    (tmp_path / "pki/root").rename(tmp_path / "away")
    assert tree.scope(ROOT), "what exists is used"
    with pytest.raises(Unavailable, match="has no root authority"):
        tree.scope(cluster_scope("tokyo1"))
    assert not (tmp_path / "pki/root").exists()
    (tmp_path / "away").rename(tmp_path / "pki/root")
    assert tree.scope(cluster_scope("tokyo1"))


async def test_a_renewal_never_creates_the_folder_again(tmp_path: Path) -> None:
    """Its disk was unmounted: the new key was written to the host's disk below."""
    tree = AuthorityTree(tmp_path / "pki", clock=SystemClock())
    tree.scope(cluster_scope("tokyo1"))
    folder = CredentialFolder(tmp_path / "tls")
    authority = tree.scope_folder(cluster_scope("tokyo1"))
    renewer = Renewer(folder, NODE, local_issuer(authority, NODE, clock=SystemClock()), clock=SystemClock())
    await renewer.ensure()
    (tmp_path / "tls").rename(tmp_path / "away")
    with pytest.raises(Unavailable, match="do not exist any more"):
        await renewer.renew()
    assert not (tmp_path / "tls").exists()
    (tmp_path / "away").rename(tmp_path / "tls")
    await renewer.renew()
