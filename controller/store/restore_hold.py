"""Keeps a cluster from acting on a restored database before its nodes have reported what is on them.

A database that is restored from a backup does not know what happened since: it may have a machine on
a node that it left long ago. So every node that has joined is held: it gets no assignments, and the cluster's
controller changes nothing, until every node has reported and the root has sent what it desires.
Then ``cluster.reconcile.adoption`` corrects the assignments, and the hold ends for all nodes together.

An agent may say that it knows what the database does not. One agent's word holds its own node only, until
an operator decides; two hold the cluster.

A Compute at which the correction fails is set aside: the nodes that may have it stay held, and it is neither started
nor moved nor removed, until an operator holds the cluster again or ends the hold. All others go on.

That the cluster is held is one claim, which a pass of the controller reads in its own transaction. The hold of a
node is in its row, so that all processes learn of it from the change feed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from sqlalchemy import select

from controller.model.assignment import ASSIGNMENT
from controller.model.event import EventLevel
from controller.model.node import NODE, Node, NodeHold
from controller.model.registry import key_of
from controller.store import claims, events, resources, schema
from controller.store.claims import Claim
from controller.store.database import Transaction
from controller.store.tables import claim

ROOT_SITE = "root-site"
"""Scope of the claim that has the identity of the cluster's root."""
_ROOT_COMPLETE = "root-complete"
_SET_ASIDE = "restore-set-aside"
"""Scope of claims of the form ``<uid>/<node>``: a Compute that is set aside, and a node that may have it."""
_WITNESSES = 2
"""How many agents have to say that the database is an old one before the cluster is held; of one node, its one."""
ALONE_REASON = (
    "its agent knows assignments that the cluster's database does not: run `resourcectl db hold` if the database was "
    "restored, else `resourcectl db end-hold`"
)
_ACTIVE = Claim("restore-hold", "active", "cluster")


def begin(tx: Transaction, *, new_epoch: bool) -> list[str]:
    """Hold every node that may have something on it and is not held yet; return their names.

    A node that was only planned is not waited for: no agent has registered for it, and nothing is assigned to it.
    What was reported before a new epoch counts for nothing.
    """
    if new_epoch:
        schema.begin_epoch(tx.connection)
    claims.take(tx, [_ACTIVE])
    kept = {NodeHold.UNREPORTED} if new_epoch else {NodeHold.UNREPORTED, NodeHold.REPORTED}
    used = {each.spec.node for each in resources.list_all(tx, ASSIGNMENT)}
    names = _set(
        tx,
        NodeHold.UNREPORTED,
        lambda node: node.facts.hold not in kept and (node.facts.has_joined or node.name in used),
    )
    if names or new_epoch:
        claims.free_values(tx, [(_ROOT_COMPLETE, value) for value in claims.taken(tx, _ROOT_COMPLETE)])
    return names


def take_word(tx: Transaction, cluster: str, name: str) -> bool:
    """Take the word of a node's agent that it knows what this database does not; return whether the cluster is held.

    While the cluster is held, the node's report is waited for like those of others.
    """
    node = resources.find(tx, NODE.key(cluster, name))
    if node is None or node.facts.hold is not NodeHold.NONE:
        return is_active(tx)
    events.record(tx, NODE.name, key_of(node).path, "UnknownAssignments", ALONE_REASON, EventLevel.WARNING)
    if is_active(tx):
        resources.update(tx, [_held(node, NodeHold.UNREPORTED)])
        return True
    joined = [each for each in resources.list_all(tx, NODE) if each.facts.has_joined]
    silent = _nodes_of_set_aside(tx)  # held for what is set aside: their agents have said nothing
    agreeing = {name, *(each.name for each in joined if each.facts.hold is NodeHold.ALONE)} - (silent - {name})
    if len(agreeing) >= min(_WITNESSES, len(joined)):
        begin(tx, new_epoch=False)
        return True
    resources.update(tx, [_held(node, NodeHold.ALONE)])
    return False


def is_active(tx: Transaction) -> bool:
    """Return whether the cluster is held: whoever would change something asks in the transaction of the change."""
    return claims.owner_of(tx, _ACTIVE.scope, _ACTIVE.value) is not None


def hold_new(tx: Transaction, node: Node) -> Node:
    """Return a node that is to be inserted, held if the cluster is and the root knows that its agent had registered."""
    return _held(node, NodeHold.UNREPORTED) if node.facts.has_joined and is_active(tx) else node


def hold_joined(tx: Transaction, cluster: str, names: Iterable[str]) -> None:
    """Hold the nodes whose agents have registered as the root remembers it, though the restored database does not know.

    To be called before ``note_root_complete``; afterwards it does nothing.
    """
    if not is_active(tx) or _is_root_complete(tx):
        return
    rows = resources.get_many(tx, [NODE.key(cluster, name) for name in names]).values()
    forgotten = [node for node in rows if node.facts.hold is NodeHold.NONE and not node.facts.has_joined]
    known = [node.model_copy(update={"observed": {**node.observed, "registered": True}}) for node in forgotten]
    resources.update(tx, [_held(node, NodeHold.UNREPORTED) for node in known])


def release(tx: Transaction, node: Node) -> None:
    """End the hold of a node that is lost: its report is not waited for."""
    if node.facts.hold is not NodeHold.NONE:
        resources.update(tx, [_held(node, NodeHold.NONE)])


def skip_reports(tx: Transaction) -> list[str]:
    """Wait neither for reports nor for the root any more; return the nodes that have not reported.

    What such a node says when it returns holds nothing in this epoch, however the hold began, until the node has taken
    its assignments: see ``note_returned``.
    """
    note_root_complete(tx)
    _free_set_aside(tx)
    after = {NodeHold.UNREPORTED: NodeHold.REPORTED, NodeHold.ALONE: NodeHold.NONE}
    epoch = schema.epoch(tx.connection)
    skipped = [
        made.model_copy(update={"observed": {**made.observed, "epoch": epoch, "skipped": epoch}})
        for node in resources.list_all(tx, NODE)
        if node.facts.hold in after
        for made in [_held(node, after[node.facts.hold])]
    ]
    resources.update(tx, skipped)
    return [node.name for node in skipped]


def note_returned(tx: Transaction, cluster: str, name: str) -> None:
    """Record that a node that was skipped has taken assignments of this epoch: its word counts again."""
    node = resources.find(tx, NODE.key(cluster, name))
    if node is not None and node.facts.skipped:
        observed = {fact: value for fact, value in node.observed.items() if fact != "skipped"}
        resources.update(tx, [node.model_copy(update={"observed": observed})])


def end(tx: Transaction, aside: Mapping[str, Collection[str]] | None = None) -> None:
    """End the hold of the cluster and of all nodes, except those named in ``aside``.

    ``aside`` has the uids of the Computes that could not be adopted, each with the nodes that may have it.
    """
    aside = aside or {}
    claims.free_values(tx, [(_ACTIVE.scope, _ACTIVE.value)])
    _free_set_aside(tx)
    claims.take(tx, [Claim(_SET_ASIDE, f"{uid}/{name}", "cluster") for uid, names in aside.items() for name in names])
    concerned = {name for names in aside.values() for name in names}
    _set(tx, NodeHold.ALONE, lambda node: node.name in concerned and node.facts.hold is not NodeHold.ALONE)
    _set(tx, NodeHold.NONE, lambda node: node.name not in concerned and node.facts.hold is not NodeHold.NONE)


def set_aside(tx: Transaction) -> set[str]:
    """Return the uids of the Computes that nothing may be done to: they could not be adopted."""
    return {value.partition("/")[0] for value in claims.taken(tx, _SET_ASIDE)}


def forget_set_aside(tx: Transaction, node: str) -> None:
    """Forget that a lost node may have a Compute that is set aside. It is no longer, if no other node may have it."""
    _free_set_aside(tx, node)


def _free_set_aside(tx: Transaction, node: str | None = None) -> None:
    values = claims.taken(tx, _SET_ASIDE)
    claims.free_values(tx, [(_SET_ASIDE, one) for one in values if node is None or one.partition("/")[2] == node])


def _nodes_of_set_aside(tx: Transaction) -> set[str]:
    return {value.partition("/")[2] for value in claims.taken(tx, _SET_ASIDE)}


def mark_reported(tx: Transaction, node: Node) -> None:
    """Record that the node has reported in this epoch."""
    observed = {**node.observed, "hold": NodeHold.REPORTED.value, "epoch": schema.epoch(tx.connection)}
    if observed != node.observed:
        resources.update(tx, [node.model_copy(update={"observed": observed})])


def held(tx: Transaction) -> list[Node]:
    """Return the nodes that are held."""
    return [node for node in resources.list_all(tx, NODE) if node.facts.hold is not NodeHold.NONE]


def note_root_complete(tx: Transaction) -> None:
    """Record that the root has sent all that it desires of this cluster, in this epoch."""
    if not _is_root_complete(tx):
        claims.take(tx, [Claim(_ROOT_COMPLETE, schema.epoch(tx.connection), "root")])


def waits_for_root(tx: Transaction) -> bool:
    """Return whether the root has still to send what it desires; False for a cluster that has nodes and no root.

    A new database has neither: its cluster is not one without nodes before the root has said so.
    """
    if _is_root_complete(tx):
        return False
    has_root = tx.connection.execute(select(claim.c.value).where(claim.c.scope == ROOT_SITE)).first() is not None
    return has_root or not resources.list_all(tx, NODE)


def _is_root_complete(tx: Transaction) -> bool:
    return claims.owner_of(tx, _ROOT_COMPLETE, schema.epoch(tx.connection)) is not None


def _set(tx: Transaction, hold: NodeHold, where: Callable[[Node], bool]) -> list[str]:
    changed = [_held(node, hold) for node in resources.list_all(tx, NODE) if where(node)]
    resources.update(tx, changed)
    return [node.name for node in changed]


def _held(node: Node, hold: NodeHold) -> Node:
    observed = {name: value for name, value in node.observed.items() if name != "hold"}
    if hold is not NodeHold.NONE:
        observed["hold"] = hold.value
    return node.model_copy(update={"observed": observed})
