"""Tokens: found by their secret, which is stored nowhere; join tokens are spent once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from controller.clock import VirtualClock
from controller.errors import Conflict, Forbidden, Unauthenticated
from controller.model.access import JoinToken, JoinTokenSpec, TokenRole
from controller.model.registry import key_of
from controller.store import resources, tokens
from controller.store.database import Database, Transaction
from controller.store.tables import metadata, resource

pytestmark = pytest.mark.design("F2")


def everything(tx: Transaction) -> str:
    return "\n".join(
        str(tuple(row)) for table in metadata.tables.values() for row in tx.connection.execute(select(table))
    )


def test_a_token_is_found_by_its_secret_only(database: Database) -> None:
    token, secret = database.write(lambda tx: tokens.create(tx, "ci", "operator", ["shop"]))
    assert (token.spec.role, token.spec.projects) == (TokenRole.OPERATOR, ("shop",))
    assert database.read(lambda tx: tokens.verify(tx, secret)) == token
    assert database.read(lambda tx: tokens.verify(tx, secret + "x")) is None
    assert database.read(lambda tx: tokens.verify(tx, tokens.digest(secret))) is None
    stored = database.read(everything)
    assert "ci" in stored
    assert secret not in stored


def test_a_token_ends_and_can_be_revoked(database: Database, clock: VirtualClock) -> None:
    ends = clock.now() + timedelta(hours=1)
    _, short = database.write(lambda tx: tokens.create(tx, "short", "viewer", expires=ends))
    long, secret = database.write(lambda tx: tokens.create(tx, "long", TokenRole.ADMIN))
    clock.shift(3600)
    assert database.read(lambda tx: tokens.verify(tx, short)) is None
    assert database.read(lambda tx: tokens.verify(tx, secret)) == long
    database.write(lambda tx: resources.delete(tx, [key_of(long)]))
    assert database.read(lambda tx: tokens.verify(tx, secret)) is None


def test_a_tokens_name_is_taken_once(database: Database) -> None:
    database.write(lambda tx: tokens.create(tx, "ci", "viewer"))
    with pytest.raises(Conflict):
        database.write(lambda tx: tokens.create(tx, "ci", "admin"))


def join_token(expires: datetime | None = None) -> JoinToken:
    return JoinToken(name="t1", cluster="tokyo1", spec=JoinTokenSpec(node="server1", expires_at=expires))


def test_a_join_token_lets_its_node_join_once(database: Database, cluster_database: Database) -> None:
    made, secret = database.write(lambda tx: tokens.issue_join(tx, join_token()))
    assert made.state == "Unused"
    assert secret not in database.read(everything)
    cluster_database.write(lambda tx: resources.insert(tx, [made]))  # as the root's sync does
    with pytest.raises(Unauthenticated):
        cluster_database.write(lambda tx: tokens.use_join(tx, "other", "server1"))
    with pytest.raises(Forbidden, match="for node server1"):
        cluster_database.write(lambda tx: tokens.use_join(tx, secret, "server2"))
    spent = cluster_database.write(lambda tx: tokens.use_join(tx, secret, "server1"))
    assert spent.state == "Used"
    with pytest.raises(Forbidden, match="used already"):
        cluster_database.write(lambda tx: tokens.use_join(tx, secret, "server1"))


@pytest.mark.parametrize(("given", "lasts"), [(None, 3600), (60, 60)])
def test_a_join_token_ends(cluster_database: Database, clock: VirtualClock, given: int | None, lasts: int) -> None:
    expires = None if given is None else clock.now() + timedelta(seconds=given)
    _, secret = cluster_database.write(lambda tx: tokens.issue_join(tx, join_token(expires)))
    clock.shift(lasts)
    with pytest.raises(Forbidden, match="ended at"):
        cluster_database.write(lambda tx: tokens.use_join(tx, secret, "server1"))


@pytest.mark.parametrize(("expires", "valid"), [("2026-01-01T00:30:00", True), ("2025-12-31T23:59:59", False)])
def test_a_stored_expiry_without_a_zone_is_read_as_utc(
    database: Database, cluster_database: Database, expires: str, valid: bool
) -> None:
    """Older versions stored what was written; then each use answered 500."""
    placeholder = datetime(2030, 1, 1, tzinfo=UTC)

    def store_without_zone(tx: Transaction) -> None:
        document = tx.connection.execute(
            select(resource.c.document).where(resource.c.kind.in_(["Token", "JoinToken"]))
        ).scalar_one()
        tx.connection.execute(update(resource).values(document=document.replace("2030-01-01T00:00:00Z", expires)))

    _, secret = database.write(lambda tx: tokens.create(tx, "ci", "viewer", expires=placeholder))
    _, join = cluster_database.write(lambda tx: tokens.issue_join(tx, join_token(placeholder)))
    for each in (database, cluster_database):
        each.write(store_without_zone)
    assert (database.read(lambda tx: tokens.verify(tx, secret)) is not None) is valid
    if valid:
        assert cluster_database.write(lambda tx: tokens.use_join(tx, join, "server1")).state == "Used"
    else:
        with pytest.raises(Forbidden, match="ended at 2025-12-31T23:59:59"):
            cluster_database.write(lambda tx: tokens.use_join(tx, join, "server1"))
