"""Tokens: found by their secret, which is stored nowhere; join tokens are spent once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from controller.clock import VirtualClock
from controller.errors import Conflict, Forbidden, Unauthenticated
from controller.model.access import TokenRole
from controller.model.registry import key_of
from controller.store import resources, tokens
from controller.store.database import Database, Transaction
from controller.store.tables import metadata

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


def test_a_join_token_lets_its_node_join_once(database: Database, cluster_database: Database) -> None:
    made, secret = database.write(lambda tx: tokens.create_join(tx, "tokyo1", "t1", "server1"))
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
    _, secret = cluster_database.write(lambda tx: tokens.create_join(tx, "tokyo1", "t1", "server1", expires))
    clock.shift(lasts)
    with pytest.raises(Forbidden, match="ended at"):
        cluster_database.write(lambda tx: tokens.use_join(tx, secret, "server1"))
