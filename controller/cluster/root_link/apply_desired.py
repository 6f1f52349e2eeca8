"""Applies the desired state that the root sends to the cluster's database: each owner in one transaction.

An owner's documents are its whole desired state. What it no longer lists is deleted: Computes and
Loadbalancers stay in Deleting until their nodes report that nothing is left. The disks of a Compute are
deleted with it if the root names it as deleted; else they are kept aside, because a restored root does
not list what is newer than its backup. The digest of the applied state is written in the same
transaction, so that it never describes rows that do not exist yet.

Only desired state is written here. Status, state and observed facts belong to the controller and the
agents, except a status that asks for work (Initializing, Updating, Deleting).

The root's identity is stored, and another root is refused. The term of the root's master is stored,
and a lower one is refused. So is a lower version of the root's database within one term: a master
sends its states in order, so that a lower version comes late, from a process that was suspended.

Design: H2, H5
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.cluster.unit_of_work.service_computes import read_computes
from controller.errors import Conflict, StaleTerm
from controller.model import registry
from controller.model.compute import Compute
from controller.model.envelope import RequestMethod
from controller.model.kind_rules import Replication
from controller.model.loadbalancer import LOADBALANCER
from controller.model.node import Node
from controller.model.region_service import REGION_SERVICE
from controller.model.registry import AnyResource, Key, key_of, parse_key
from controller.store import claims, resources, restore_hold
from controller.store.claims import Claim
from controller.store.database import Transaction

_DIGEST = "digest"
_TERM = "root-term"
_SEQUENCE = "root-sequence"

_DESIRED = ("project", "labels", "spec", "revision", "max_revision_history")


@dataclass
class OwnerState:
    """All documents of one owner."""

    owner: str
    digest: str
    documents: Sequence[AnyResource] = ()
    gone: bool = False
    deleted_uids: frozenset[str] = frozenset()
    """Of Computes that were deleted at the root; the disks of others that are not listed are kept aside."""


def check_term(tx: Transaction, term: int) -> None:
    """Refuse a term below the highest one seen (StaleTerm); store a higher one."""
    seen = max(map(int, claims.taken(tx, _TERM)), default=0)
    if term < seen:
        raise StaleTerm(f"term {term} of the root's controller is over: {seen} was seen")
    if term > seen:
        claims.free_values(tx, [(_TERM, str(seen))])
        claims.take(tx, [Claim(_TERM, str(term), "root")])


def check_site(tx: Transaction, site: str) -> None:
    """Store the root's identity the first time; refuse any other root (Conflict).

    The desired state of a root with an empty database is empty: it would remove everything that runs here.
    """
    known = claims.taken(tx, restore_hold.ROOT_SITE)
    if site in known or not (site or known):
        return
    if known:
        raise Conflict(
            f"this cluster is of site {next(iter(known))}, and the calling root is {site or 'of none'}: restore "
            "the root's backup, or have the cluster forget its root (`resourcectl db forget-root`)"
        )
    claims.take(tx, [Claim(restore_hold.ROOT_SITE, site, "root")])


def forget_root(tx: Transaction) -> bool:
    """Accept the next root that calls, with any term; return False when no root is stored."""
    known = [
        (scope, value) for scope in (restore_hold.ROOT_SITE, _TERM, _SEQUENCE) for value in claims.taken(tx, scope)
    ]
    claims.free_values(tx, known)
    return any(scope == restore_hold.ROOT_SITE for scope, _ in known)


def _check_sequence(tx: Transaction, term: int, sequence: int) -> None:
    """Refuse a sequence below the highest one seen of the term (Conflict); store a higher one."""
    known = claims.taken(tx, _SEQUENCE)
    seen = max((int(value) for value, of_term in known.items() if of_term == str(term)), default=0)
    if sequence < seen:
        raise Conflict(f"the root has sent its desired state as of version {seen} already; this is as of {sequence}")
    if sequence > seen:
        claims.free_values(tx, [(_SEQUENCE, value) for value in known])
        claims.take(tx, [Claim(_SEQUENCE, str(sequence), str(term))])


def digests(tx: Transaction) -> dict[str, str]:
    """Return the digest of the state applied last, by owner."""
    return claims.taken(tx, _DIGEST)


def apply(tx: Transaction, term: int, owners: Sequence[OwnerState], sequence: int = 0) -> None:
    """Apply the whole desired state of each of the owners; ``sequence`` 0 stands for an unknown version.

    Raises StaleTerm, Conflict (older than what was applied).
    """
    check_term(tx, term)
    if sequence:
        _check_sequence(tx, term, sequence)
    kept = _members(tx, [state.owner for state in owners])
    wanted = {key_of(each): each for state in owners for each in state.documents}
    known = resources.get_many(tx, {*wanted, *(key for keys in kept.values() for key in keys)})
    new: list[AnyResource] = []
    changed: list[AnyResource] = []
    dropped: list[Key] = []
    applied: list[Claim] = []
    for state in owners:
        complete = True
        for each in state.documents:
            key = key_of(each)
            stored = known.get(key)
            if stored is None:
                fresh = _fresh(each)
                new.append(restore_hold.hold_new(tx, fresh) if isinstance(fresh, Node) else fresh)
            elif stored.is_deleting and not _rules(stored).restored_when_desired:
                complete = False  # it is deleted first; then the root sends the state again
            elif _rules(each).placed and each.uid and each.uid != stored.uid:
                changed.append(_deleting(stored, state))
                complete = False
            elif (merged := _merged(stored, each)) is not stored:
                changed.append(merged)
        listed = {key_of(each) for each in state.documents}
        for key in kept[state.owner] - listed:
            stored = known.get(key)
            if stored is None:
                continue
            if _rules(key).deleted_at_once:
                dropped.append(key)
            elif not stored.is_deleting:
                changed.append(_deleting(stored, state))
        if complete and not state.gone:
            applied.append(Claim(_DIGEST, state.owner, state.digest))
    claims.free_values(tx, [(_DIGEST, state.owner) for state in owners])
    claims.take(tx, applied)
    resources.insert(tx, new)
    resources.update(tx, changed)
    resources.delete(tx, dropped)


def _fresh(wanted: AnyResource) -> AnyResource:
    rules = _rules(wanted)
    if rules.placed:
        return wanted.model_copy(update={"status": "Initializing"})
    state = {"state": rules.first_state, "state_reason": rules.first_state_reason}
    return wanted.model_copy(update={"status": "Active", **state})


def _merged(stored: AnyResource, wanted: AnyResource) -> AnyResource:
    changes: dict[str, Any] = {name: getattr(wanted, name) for name in _DESIRED}
    if _rules(stored).restored_when_desired:
        # One that was being deleted and is desired again stays: else what is still on it could never be drained.
        changes["status"] = "Active"
    if wanted.observed:
        changes["observed"] = {**stored.observed, **wanted.observed}
    if _rules(stored).placed and wanted.revision != stored.revision:
        changes["request_method"] = RequestMethod.UPDATE
        if stored.status in ("Active", "Error"):
            changes["status"] = "Updating"
    if all(getattr(stored, name) == value for name, value in changes.items()):
        return stored
    return stored.model_copy(update=changes)


def _rules(item: AnyResource | Key) -> Replication:
    return registry.get(item.kind).replication


def _deleting(stored: AnyResource, state: OwnerState) -> AnyResource:
    changes: dict[str, Any] = {"status": "Deleting", "request_method": RequestMethod.DELETE}
    if isinstance(stored, Compute) and stored.uid not in state.deleted_uids:
        changes["observed"] = {**stored.observed, "keep_disks": True}
    return stored.model_copy(update=changes)


def _members(tx: Transaction, owners: Iterable[str]) -> Mapping[str, set[Key]]:
    """Return the keys that each owner may have listed last."""
    found: dict[str, set[Key]] = {}
    services: dict[str, set[Key]] = {}
    for owner in owners:
        key = parse_key(owner)
        if key.kind == REGION_SERVICE.name:
            region, name = key.names
            found[owner] = {LOADBALANCER.key(region, name, project=key.project)}
            services[key.path] = found[owner]
        else:
            found[owner] = {key}
    for compute in read_computes(tx, services):
        services[compute.service_path].add(key_of(compute))
    return found
