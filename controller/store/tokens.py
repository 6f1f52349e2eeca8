"""Tokens of users and of joining nodes: made once, stored as digests.

The secret is in the answer that makes the token, and nowhere else. A user's token is found by the
claim on its digest; a join token carries the digest in ``observed.digest``, since the document
itself goes down to the cluster whose API checks it. 256 random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from controller.errors import Forbidden, Unauthenticated
from controller.model.access import JOIN_TOKEN, JoinToken, JoinTokenSpec, Token, TokenRole, TokenSpec
from controller.store import claims, resources
from controller.store.claims import Claim
from controller.store.database import Transaction

_SCOPE = "token"
JOIN_LIFETIME = timedelta(hours=1)
UNUSED = "Unused"
USED = "Used"


def digest(secret: str) -> str:
    """SHA-256 of a secret, as stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(
    tx: Transaction,
    name: str,
    role: TokenRole | str,
    projects: Sequence[str] = (),
    expires: datetime | None = None,
    description: str = "",
) -> tuple[Token, str]:
    """Make a user's token; returns it with its secret. Raises Conflict when the name is taken."""
    spec = TokenSpec(role=TokenRole(role), projects=tuple(projects), expires_at=expires, description=description)
    return issue(tx, Token(name=name, spec=spec))


def issue(tx: Transaction, token: Token) -> tuple[Token, str]:
    """``create`` from a document."""
    secret = f"rs_{secrets.token_urlsafe(32)}"
    stored = resources.insert(tx, [token])[0]
    claims.take(tx, [Claim(_SCOPE, digest(secret), stored.uid)])
    return stored, secret


def verify(tx: Transaction, secret: str) -> Token | None:
    """The token of that secret, or None when there is none or it has ended."""
    uid = claims.owner_of(tx, _SCOPE, digest(secret))
    if uid is None:
        return None
    token = cast(Token, resources.get_by_uid(tx, uid))
    ends = token.spec.expires_at
    return None if ends is not None and ends <= tx.now else token


def create_join(
    tx: Transaction, cluster: str, name: str, node: str, expires: datetime | None = None
) -> tuple[JoinToken, str]:
    """Make the token with which ``node`` joins once; without ``expires`` it ends after one hour."""
    return issue_join(tx, JoinToken(name=name, cluster=cluster, spec=JoinTokenSpec(node=node, expires_at=expires)))


def issue_join(tx: Transaction, token: JoinToken) -> tuple[JoinToken, str]:
    """``create_join`` from a document."""
    secret = f"rsj_{secrets.token_urlsafe(32)}"
    prepared = token.model_copy(update={"observed": {"digest": digest(secret)}, "state": UNUSED})
    return resources.insert(tx, [prepared])[0], secret


def use_join(tx: Transaction, secret: str, node: str) -> JoinToken:
    """Spend a join token for ``node``; returns it as spent.

    Raises Unauthenticated for an unknown secret, Forbidden when it is spent, has ended or is
    another node's.
    """
    found = resources.list_all(tx, JOIN_TOKEN, fields={"observed.digest": digest(secret)})
    if not found:
        raise Unauthenticated("the join token is not known to this cluster")
    token = found[0]
    ends = token.spec.expires_at or (token.created_at or tx.now) + JOIN_LIFETIME
    if token.spec.node != node:
        raise Forbidden(f"the join token is for node {token.spec.node}, not for {node}")
    if token.state == USED:
        raise Forbidden("the join token was used already; make a new one")
    if ends <= tx.now:
        raise Forbidden(f"the join token ended at {ends.isoformat(timespec='seconds')}; make a new one")
    spent = token.model_copy(update={"state": USED, "state_reason": f"{node} joined"})
    return resources.update(tx, [spent])[0]
