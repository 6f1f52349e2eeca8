"""What held nodes have reported that the restored database does not have so, kept until the hold ends.

One row for each node and resource, in the claims; ``agents.held_reports`` writes them, and
``reconcile.adoption`` decides by them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from controller.model.assignment import AssignmentRole
from controller.store import claims
from controller.store.claims import Claim
from controller.store.database import Transaction

_SCOPE = "reported-copy"


@dataclass(frozen=True)
class Copy:
    """A resource on a node, as the node's agent reported it."""

    uid: str
    node: str
    state: str
    """Absent: nothing of it is on the node."""
    reason: str = ""
    role: str = ""
    """Role that the agent has for it; empty: none."""
    attempt: int = 0

    @property
    def runs(self) -> bool:
        """Whether its vcpus run, as far as is known."""
        return self.state in ("Running", "Unknown") and self.role != AssignmentRole.LEAVING

    @property
    def usable(self) -> bool:
        """Whether it can be continued from: it runs, is complete, or its agent is about to make it."""
        if self.role == AssignmentRole.LEAVING or (self.state == "Absent" and self.role != AssignmentRole.OWNER):
            return False
        return self.role != AssignmentRole.INCOMING or self.runs or (self.state, self.reason) == ("Paused", "user")

    @property
    def rank(self) -> tuple[bool, bool, bool, int]:
        """The higher, the more likely it is the newest copy."""
        return self.runs, self.state != "Absent", self.role == AssignmentRole.OWNER, self.attempt


def replace(tx: Transaction, node: str, copies: Iterable[Copy]) -> None:
    """Store what the node has reported, in place of what it had reported before."""
    claims.free_values(tx, [(_SCOPE, value) for value in claims.taken(tx, _SCOPE) if value.partition("/")[2] == node])
    claims.take(tx, [Claim(_SCOPE, f"{one.uid}/{node}", _encoded(one)) for one in copies])


def forget(tx: Transaction, node: str) -> None:
    """Forget what a node has reported that is lost: nothing of it can be continued from."""
    replace(tx, node, ())


def take_all(tx: Transaction) -> dict[str, list[Copy]]:
    """Return all copies by uid, and forget them."""
    found: dict[str, list[Copy]] = defaultdict(list)
    stored = claims.taken(tx, _SCOPE)
    for value, text in stored.items():
        uid, _, node = value.partition("/")
        state, reason, role, attempt = json.loads(text)
        found[uid].append(Copy(uid, node, state, reason, role, attempt))
    claims.free_values(tx, [(_SCOPE, value) for value in stored])
    return found


def _encoded(copy: Copy) -> str:
    return json.dumps([copy.state, copy.reason, copy.role, copy.attempt])
