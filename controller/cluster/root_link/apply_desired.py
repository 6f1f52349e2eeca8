"""The root's wishes, taken into the cluster's database (H5): owner by owner, each in one transaction.

An owner's documents are the whole of what is wanted of it: what it no longer lists is to be
deleted, which for Computes and Loadbalancers means Deleting until their nodes have said that
nothing is left. The digest of what was taken in is written in the same transaction, so that it
never tells of rows that are not there yet.

Only wishes are written here; status, state and observed facts belong to the controller and the
agents, but for the words that say that there is something to do (Initializing, Updating, Deleting).

The root's identity is remembered, and another root is refused. The term of the root's master is
remembered, and lower ones are refused (H2). So is the version of the root's database that a wish is
of: a master tells its wishes one after the other, so that a lower one of its term is what it gave up,
late (of a process that was stopped in the middle, and woke).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.cluster.owner_documents import PLACED
from controller.errors import Conflict, StaleTerm
from controller.model.access import JOIN_TOKEN
from controller.model.compute import COMPUTE
from controller.model.envelope import RequestMethod
from controller.model.loadbalancer import LOADBALANCER
from controller.model.node import NODE
from controller.model.registry import AnyResource, Key, key_of, parse_key
from controller.store import claims, resources
from controller.store.claims import Claim
from controller.store.database import Transaction

_DIGEST = "digest"
_TERM = "root-term"
_SEQUENCE = "root-sequence"
_SITE = "root-site"

_WISH = ("project", "labels", "spec", "revision", "max_revision_history")


@dataclass
class OwnerWish:
    """All documents of one owner."""

    owner: str
    digest: str
    documents: Sequence[AnyResource] = ()
    gone: bool = False


def check_term(tx: Transaction, term: int) -> None:
    """Refuse a term below the highest one seen (StaleTerm); remember a higher one."""
    seen = max(map(int, claims.taken(tx, _TERM)), default=0)
    if term < seen:
        raise StaleTerm(f"term {term} of the root's controller is over: {seen} was seen")
    if term > seen:
        claims.free_values(tx, [(_TERM, str(seen))])
        claims.take(tx, [Claim(_TERM, str(term), "root")])


def check_site(tx: Transaction, site: str) -> None:
    """Remember the root's identity the first time; refuse any other root (Conflict).

    A root that was made anew wants nothing of what runs here: its wishes would remove it all.
    """
    known = claims.taken(tx, _SITE)
    if site in known or not (site or known):
        return
    if known:
        raise Conflict(
            f"this cluster is of site {next(iter(known))}, and the root that speaks is {site or 'of none'}: restore "
            "the root's backup, or have the cluster forget its root (`resourcectl db forget-root`)"
        )
    claims.take(tx, [Claim(_SITE, site, "root")])


def forget_root(tx: Transaction) -> bool:
    """Let the next root that speaks be the cluster's, with any term; False when none is known."""
    known = [(scope, value) for scope in (_SITE, _TERM, _SEQUENCE) for value in claims.taken(tx, scope)]
    claims.free_values(tx, known)
    return any(scope == _SITE for scope, _ in known)


def _check_sequence(tx: Transaction, term: int, sequence: int) -> None:
    """Refuse a sequence below the highest one seen of the term (Conflict); remember a higher one."""
    known = claims.taken(tx, _SEQUENCE)
    seen = max((int(value) for value, of_term in known.items() if of_term == str(term)), default=0)
    if sequence < seen:
        raise Conflict(f"the root has told what it wants as of version {seen} since; this is as of {sequence}")
    if sequence > seen:
        claims.free_values(tx, [(_SEQUENCE, value) for value in known])
        claims.take(tx, [Claim(_SEQUENCE, str(sequence), str(term))])


def digests(tx: Transaction) -> dict[str, str]:
    """Digest of what was last taken in, by owner."""
    return claims.taken(tx, _DIGEST)


def apply(tx: Transaction, term: int, wishes: Sequence[OwnerWish], sequence: int = 0) -> None:
    """Take in the wishes of some owners, all of each; ``sequence`` 0: of an unknown version.

    Raises StaleTerm, Conflict (they are older than what was taken in).
    """
    check_term(tx, term)
    if sequence:
        _check_sequence(tx, term, sequence)
    kept = _members(tx, [wish.owner for wish in wishes])
    wanted = {key_of(each): each for wish in wishes for each in wish.documents}
    known = resources.get_many(tx, {*wanted, *(key for keys in kept.values() for key in keys)})
    new: list[AnyResource] = []
    changed: list[AnyResource] = []
    dropped: list[Key] = []
    taken_in: list[Claim] = []
    for wish in wishes:
        complete = True
        for each in wish.documents:
            key = key_of(each)
            stored = known.get(key)
            if stored is None:
                new.append(_fresh(each))
            elif _is_leaving(stored) and stored.kind != NODE.name:
                complete = False  # it goes first; the root sends again when it is gone
            elif each.kind in PLACED and each.uid and each.uid != stored.uid:
                changed.append(_deleting(stored))
                complete = False
            elif (merged := _merged(stored, each)) is not stored:
                changed.append(merged)
        listed = {key_of(each) for each in wish.documents}
        for key in kept[wish.owner] - listed:
            stored = known.get(key)
            if stored is None:
                continue
            if key.kind == JOIN_TOKEN.name:
                dropped.append(key)
            elif not _is_leaving(stored):
                changed.append(_deleting(stored))
        if complete and not wish.gone:
            taken_in.append(Claim(_DIGEST, wish.owner, wish.digest))
    claims.free_values(tx, [(_DIGEST, wish.owner) for wish in wishes])
    claims.take(tx, taken_in)
    resources.insert(tx, new)
    resources.update(tx, changed)
    resources.delete(tx, dropped)


def _fresh(wanted: AnyResource) -> AnyResource:
    if wanted.kind in PLACED:
        return wanted.model_copy(update={"status": "Initializing"})
    if wanted.kind == NODE.name:
        return wanted.model_copy(update={"status": "Active", "state": "Unknown", "state_reason": "not heard of yet"})
    return wanted.model_copy(update={"status": "Active", "state": "Unused"})


def _merged(stored: AnyResource, wanted: AnyResource) -> AnyResource:
    changes: dict[str, Any] = {name: getattr(wanted, name) for name in _WISH}
    if stored.kind == NODE.name:
        # One that was to go and is wanted again stays: what still is on it could never be drained else.
        changes["status"] = "Active"
    if wanted.observed:
        changes["observed"] = {**stored.observed, **wanted.observed}
    if stored.kind in PLACED and wanted.revision != stored.revision:
        changes["request_method"] = RequestMethod.UPDATE
        if stored.status in ("Active", "Error"):
            changes["status"] = "Updating"
    if all(getattr(stored, name) == value for name, value in changes.items()):
        return stored
    return stored.model_copy(update=changes)


def _is_leaving(stored: AnyResource) -> bool:
    return stored.is_deleting


def _deleting(stored: AnyResource) -> AnyResource:
    return stored.model_copy(update={"status": "Deleting", "request_method": RequestMethod.DELETE})


_FEW = 16


def _members(tx: Transaction, owners: Iterable[str]) -> Mapping[str, set[Key]]:
    """What each owner listed last, as far as it may still be there."""
    found: dict[str, set[Key]] = {}
    services: dict[tuple[str, str, str], set[Key]] = {}
    for owner in owners:
        key = parse_key(owner)
        if key.kind == "RegionService":
            region, name = key.names
            found[owner] = {LOADBALANCER.key(region, name, project=key.project)}
            services[key.project, region, name] = found[owner]
        else:
            found[owner] = {key}
    if len(services) > _FEW:
        rows = resources.list_all(tx, COMPUTE)
    else:
        rows = [
            row
            for project, region, service in services
            for row in resources.list_all(
                tx, COMPUTE, parents=(region,), project=project, fields={"spec.service": service}
            )
        ]
    for row in rows:
        if (members := services.get((row.project, row.region, row.spec.service))) is not None:
            members.add(key_of(row))
    return found
