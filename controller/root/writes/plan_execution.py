"""Write a plan, in bulk, inside the transaction that made it.

One insert and one update per batch, whatever its length. The database gives versions in the order of the documents,
first to all that are created, then to all that are updated. Tokens are created one by one: each has its own secret,
which is shown once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.model import registry
from controller.model.access import JoinToken, Token
from controller.model.compute import COMPUTE
from controller.model.registry import AnyResource, Key, key_of
from controller.root.writes import port_claims
from controller.root.writes.plan import Action, Step
from controller.store import resources, revisions, tokens
from controller.store.database import Transaction


@dataclass(frozen=True)
class Result:
    """What became of one document."""

    key: Key
    action: Action
    resource: AnyResource
    secret: str | None = None
    """Of a new token; it is stored nowhere."""

    def shown(self) -> AnyResource:
        """Return the resource as the answer shows it: a new token with its secret."""
        if self.secret is None:
            return self.resource
        return self.resource.model_copy(update={"observed": {**self.resource.observed, "secret": self.secret}})


def execute(tx: Transaction, steps: Sequence[Step]) -> list[Result]:
    """Write every step; the results are in the order of the steps."""
    stored: dict[Key, AnyResource] = {}
    secrets: dict[Key, str] = {}
    creating = [step for step in steps if step.action is Action.CREATE]
    for step in creating:
        if isinstance(step.after, Token | JoinToken):
            stored[step.key], secrets[step.key] = _make_token(tx, step.after)
    _remember(stored, resources.insert(tx, _after(step for step in creating if step.key not in stored)))
    _remember(stored, resources.update(tx, _after(step for step in steps if step.action is Action.UPDATE)))
    written = [(step.current, stored[step.key]) for step in steps if step.key in stored]
    port_claims.store(tx, written)
    for before, after in written:
        if registry.get(after.kind).has_revisions:
            keep_revision(tx, before, after)
    return [
        Result(step.key, step.action, stored.get(step.key) or _current(step), secrets.get(step.key)) for step in steps
    ]


def keep_revision(tx: Transaction, before: AnyResource | None, after: AnyResource) -> None:
    """Add the service's revision when it is new, and delete the oldest beyond its history.

    Design: D3.
    """
    if before is None or before.revision != after.revision:
        revisions.add(tx, after)
    elif before.max_revision_history == after.max_revision_history:
        return
    made = resources.list_all(
        tx, COMPUTE, parents=after.parent_names, project=after.project, fields={"spec.service": after.name}
    )
    running = {compute.revision for compute in made}
    revisions.prune(tx, after.uid, after.max_revision_history, running | {after.revision})


def _make_token(tx: Transaction, wanted: Token | JoinToken) -> tuple[AnyResource, str]:
    return tokens.issue(tx, wanted) if isinstance(wanted, Token) else tokens.issue_join(tx, wanted)


def _after(steps: Iterable[Step]) -> list[AnyResource]:
    return [step.after for step in steps if step.after is not None]


def _current(step: Step) -> AnyResource:
    assert step.current is not None
    return step.current


def _remember(stored: dict[Key, AnyResource], written: Iterable[AnyResource]) -> None:
    stored.update((key_of(resource), resource) for resource in written)
