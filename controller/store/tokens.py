"""Tokens of users and of joining nodes: created once, stored as digests.

Only the answer that creates a token contains the secret. A user's token is found by the claim on its digest. A join
token has the digest in ``observed.digest``, because the document is sent to the cluster whose API checks it. Secrets of
256 random bits need no slow hash.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from controller.errors import Forbidden, Unauthenticated
from controller.model.access import JOIN_TOKEN, JoinToken, Token, TokenRole, TokenSpec
from controller.store import claims, resources
from controller.store.claims import Claim
from controller.store.database import Transaction

_SCOPE = "token"
JOIN_LIFETIME = timedelta(hours=1)
UNUSED = "Unused"
USED = "Used"


def digest(secret: str) -> str:
    """Return the SHA-256 digest of a secret, as stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(
    tx: Transaction,
    name: str,
    role: TokenRole | str,
    projects: Sequence[str] = (),
    expires: datetime | None = None,
    description: str = "",
) -> tuple[Token, str]:
    """Create a user's token; return it with its secret. Raises Conflict if the name is taken."""
    spec = TokenSpec(role=TokenRole(role), projects=tuple(projects), expires_at=expires, description=description)
    return issue(tx, Token(name=name, spec=spec))


def issue(tx: Transaction, token: Token) -> tuple[Token, str]:
    """Store a user's token and return it with its secret."""
    secret = f"rs_{secrets.token_urlsafe(32)}"
    stored = resources.insert(tx, [token])[0]
    claims.take(tx, [Claim(_SCOPE, digest(secret), stored.uid)])
    return stored, secret


def verify(tx: Transaction, secret: str) -> Token | None:
    """Return the token of that secret; None if it does not exist or has expired."""
    uid = claims.owner_of(tx, _SCOPE, digest(secret))
    if uid is None:
        return None
    token = resources.get_by_uid(tx, uid)
    assert isinstance(token, Token), f"{uid} is the uid of a {token.kind}"
    return None if token.is_expired(tx.now) else token


def issue_join(tx: Transaction, token: JoinToken) -> tuple[JoinToken, str]:
    """Store a join token and return it with its secret; without ``expires_at`` it ends after one hour."""
    secret = f"rsj_{secrets.token_urlsafe(32)}"
    prepared = token.model_copy(update={"observed": {"digest": digest(secret)}, "state": UNUSED})
    return resources.insert(tx, [prepared])[0], secret


def use_join(tx: Transaction, secret: str, node: str) -> JoinToken:
    """Use a join token for ``node``; return the used token.

    Raises Unauthenticated for an unknown secret, Forbidden if the token is used, has expired or is for another node.
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
