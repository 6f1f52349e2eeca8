"""Refuse the deletion of the last token that can manage tokens.

Without a token with role admin for all projects nobody can create another one over the API. The rule is checked in the
transaction of the write, so that two admins cannot delete each other. Role, projects and expiry of a token cannot
change, so that only a deletion can remove the last one.

Not promised: that a token remains after the others have expired.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.model.access import TOKEN, Token
from controller.model.registry import AnyResource, Key, key_of
from controller.root.writes.immutability_rules import Refusal, conflict
from controller.store import resources
from controller.store.database import Transaction


def refusals(tx: Transaction, deleted: Iterable[AnyResource]) -> dict[Key, Refusal]:
    """Return the refusal of each token without which, when all of ``deleted`` are deleted, no admin remains."""
    leaving = {key_of(one): one for one in deleted if isinstance(one, Token) and _manages(tx, one)}
    if not leaving:
        return {}
    if any(_manages(tx, one) and key_of(one) not in leaving for one in resources.list_all(tx, TOKEN)):
        return {}
    return {key: _refusal(token) for key, token in leaving.items()}


def _manages(tx: Transaction, token: Token) -> bool:
    return token.manages_access and not token.is_expired(tx.now)


def _refusal(token: Token) -> Refusal:
    return conflict(
        "",
        f"without token {token.name} no valid token has role admin for all projects: create another one first "
        "(resourcectl token create NAME --role admin)",
    )
