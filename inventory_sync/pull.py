"""Pull: update the inventory from NetBox.

The order of one pull: read everything, translate everything, plan everything. Only then are the differences
written. What NetBox does not have (other labels, fields that the mapping leaves out) is not
changed.

A document that the server refuses is skipped with what depends on it, and the others are planned again. What was
skipped is neither changed nor deleted, except that it gives up what NetBox gives to another object now. Where the
server refuses that too, the other object is skipped. While anything is skipped, what a version without identities has
made is not deleted either: it may be of a skipped object.

The marker label tells what the sync has made. What is not marked and has a name that is wanted is
a conflict, unless it is to be adopted. What is marked and wanted no longer is reported; asked to
remove, it goes unless something names it: a device that is a node stays. An address, a unit of a
rack, an outlet or a port that NetBox gives to another now is taken from it in any case.

Documents go in requests below the server's limit, what is named before what names it. One request
is one transaction; a pull of several that is broken off tells how far it came, and is finished by
the next. Where several are needed, what changes hands is given up in the first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.client import Client
from controller.errors import Conflict, InvalidInput, Problem
from controller.model import registry
from controller.model.registry import Key
from inventory_sync import naming, partial_failure, pruning, removal
from inventory_sync.locations import Document
from inventory_sync.mapping import ID_LABEL, INSTANCE_LABEL, NAME_LABEL
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.moved_places import MovedPlaces
from inventory_sync.skipping import Skipped
from inventory_sync.translation import KINDS, Translation

REQUEST_BYTES = 24 << 20
"""Below the server's default limit for an apply."""
_SHOWN = 20
_TAKEN = (
    "spec.ports[",
    "spec.position",
    "spec.network_links[",
    "spec.power_links[",
    "spec.height_units",
    "spec.full_depth",
)
"""Fields that can be refused because another device has what they name or need."""


@dataclass(frozen=True)
class Inventory:
    """What the server has of the kinds of a pull."""

    everything: Mapping[Key, Document]
    ours: tuple[Document, ...]
    """What pulls have created."""


@dataclass(frozen=True)
class Pull:
    """The result of comparing NetBox with the inventory: what a pull would do."""

    wanted: tuple[Document, ...]
    """The documents that differ, as a pull would write them."""
    changes: tuple[Mapping[str, Any], ...]
    """The server's plan of all documents."""
    gone: tuple[Document, ...] = ()
    """Created by the sync, and no longer in NetBox."""
    kept: tuple[tuple[str, str], ...] = ()
    """Those of them that cannot be deleted now, each with its reason."""
    freed: frozenset[str] = frozenset()
    """Those of the kept that only what this pull changes refers to: they can be deleted after it."""
    unsure: tuple[Document, ...] = ()
    """Without an identity, and perhaps of a skipped object or of one that has another name: they are never deleted."""
    doubtful: Mapping[Key, str] = field(default_factory=dict)
    """The identity of the object that has another name, of these."""
    yielding: tuple[Document, ...] = ()
    """What is stored of those whose addresses and places go to others of ``wanted``, without these."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    synced: Mapping[str, int] = field(default_factory=dict)
    """By kind, how many stored resources the sync created, with those that are no longer in NetBox."""

    @property
    def differs(self) -> bool:
        return bool(self.wanted)

    @property
    def removable(self) -> list[Document]:
        """Everything that a removal after this pull may delete."""
        staying = {title for title, _ in self.kept} - self.freed
        return [one for one in self.gone if str(_key(one)) not in staying]


def read(client: Client, rules: Rules) -> Inventory:
    """Read what the server has of the kinds of a pull."""
    everything = {_key(one): one for kind in KINDS for one in client.list(kind)}
    return Inventory(everything, tuple(one for one in everything.values() if _is_ours(one, rules)))


def plan(
    client: Client,
    translation: Translation,
    rules: Rules,
    *,
    adopt: bool = False,
    limit: int = REQUEST_BYTES,
    inventory: Inventory | None = None,
) -> Pull:
    """Compare with the inventory. Raises the error with which a write would be refused."""
    inventory = inventory or read(client, rules)
    skipped = list(translation.skipped)
    documents = translation.documents
    while True:
        found, bad = _planned(client, documents, skipped, translation, rules, inventory, adopt=adopt, limit=limit)
        if not bad:
            return found
        pruned = pruning.prune(documents, bad, inventory.everything.__contains__)
        documents = pruned.documents
        skipped += pruned.skipped


def _planned(
    client: Client,
    documents: Sequence[Document],
    skipped: Sequence[Skipped],
    translation: Translation,
    rules: Rules,
    inventory: Inventory,
    *,
    adopt: bool,
    limit: int,
) -> tuple[Pull, Mapping[Key, str]]:
    """Return what a pull would do, and the documents that the server would refuse, with its reasons."""
    keys = {_key(one) for one in documents}
    ours = {_key(one) for one in inventory.ours}
    stored = {key: one for key, one in inventory.everything.items() if key in keys or key in ours}
    ordered = _sources_first(documents)
    wanted = [_merged(one, stored.get(_key(one)), rules) for one in ordered]
    _refuse_foreign(wanted, stored, rules, adopt=adopt)
    known = {_key(one) for one in wanted}
    missing = [one for key, one in stored.items() if key not in known and _in_scope(one, rules, translation)]
    protects = _Protection(skipped, inventory.ours, translation.doubtful, rules.instance)
    gone = [one for one in missing if not protects(one)]
    unsure = [one for one in missing if protects.is_unsure(one)]
    places = MovedPlaces(stored.values(), wanted)
    yielding = list(_without_what_moved([stored[key] for key in known if key in stored], wanted, places))
    wanted = [*_without_what_moved(missing, wanted, places), *wanted]
    changes: list[Mapping[str, Any]] = []
    for batch in batches(wanted, limit):
        changes += client.plan(batch)["changes"]
    unchanged = {_key(one) for one, change in zip(wanted, changes, strict=True) if change["action"] == "unchanged"}
    yielding = [one for one in yielding if _key(one) not in unchanged]  # nothing would give it back
    givers = {title for one in (*yielding, *wanted[: len(wanted) - len(known)]) for title in _titles_of(one)}
    bad = _refused(
        wanted, changes, givers, known, lambda key: _takers(stored[key], wanted, places), inventory.everything
    )
    differing = [one for one, change in zip(wanted, changes, strict=True) if change["action"] != "unchanged"]
    used = {} if bad else removal.removable(client, gone)[1]
    written = {str(_key(one)) for one in differing if _key(one) in known}
    found = Pull(
        tuple(differing),
        tuple(changes),
        tuple(gone),
        tuple((title, one.reason) for title, one in used.items()),
        removal.freed(used, written),
        tuple(unsure),
        translation.doubtful,
        tuple(yielding),
        translation.left_out,
        tuple(skipped),
        Counter(one["kind"] for one in inventory.ours if _in_scope(one, rules, translation)),
    )
    return found, bad


class _Protection:
    """What the inventory has of skipped objects and of what is in them: NetBox does have it.

    A resource without an identity may be of any skipped object, and of an object that can have its name. One of a
    version that did not name the NetBox may be from another one.
    """

    def __init__(
        self, skipped: Iterable[Skipped], ours: Iterable[Document], doubtful: Collection[Key], instance: str
    ) -> None:
        self._identities = {one.identity for one in skipped}
        self._doubtful, self._instance = doubtful, instance
        self._datacenters = {
            one["name"]
            for one in ours
            if one["kind"] == "Datacenter" and (self._is_of_skipped(one) or _key(one) in doubtful)
        }

    def __call__(self, one: Document) -> bool:
        return self._is_known(one) or self.is_unsure(one)

    def is_unsure(self, one: Document) -> bool:
        """Return whether it is not known which object the resource was made of, and NetBox may have it."""
        unlabelled = bool(self._instance) and INSTANCE_LABEL not in one["labels"]
        if ID_LABEL in one["labels"]:
            return unlabelled and not self._is_known(one)
        return unlabelled or bool(self._identities) or _key(one) in self._doubtful

    def _is_known(self, one: Document) -> bool:
        """Return whether the resource is of a skipped object, or in a datacenter that is or may be of one."""
        return self._is_of_skipped(one) or one.get("datacenter") in self._datacenters

    def _is_of_skipped(self, one: Document) -> bool:
        return one["labels"].get(ID_LABEL) in self._identities


def write(client: Client, pull: Pull, *, limit: int = REQUEST_BYTES) -> list[Document]:
    """Write the differences; return the result of each.

    An error in a later request also reports how much was written before.
    """
    requests = list(batches(pull.wanted, limit))
    if len(requests) > 1:
        requests = [*batches(pull.yielding, limit), *requests]
    results: list[Document] = []
    total = sum(map(len, requests))
    with partial_failure.with_progress(lambda: partial_failure.progress(len(results), total, "documents")):
        for batch in requests:
            results += client.apply(batch)
    return results


def excess(pull: Pull, limit: int) -> str:
    """Return why a removal is refused: it is more than ``limit`` percent of what the sync created. Empty: it is not."""
    return removal.excess((one["kind"] for one in pull.removable), pull.synced, limit)


def unlisted(pull: Pull, translation: Translation) -> list[str]:
    """Return the identities of what would be deleted, or reported so, because NetBox did not list its object."""
    found = {str(one["labels"].get(ID_LABEL, "")) for one in (*pull.gone, *pull.unsure)} - {""}
    return sorted(found - translation.present)


def remove(client: Client, pull: Pull) -> tuple[list[Document], list[tuple[str, str]]]:
    """Delete what NetBox no longer has; return what was deleted, and what was kept and why.

    What was planned to be kept is kept, though nothing may refer to it any more: the plan has not shown its deletion,
    and the limit has not counted it.
    """
    going, used = removal.removable(client, pull.removable)
    kept = [(title, reason) for title, reason in pull.kept if title not in pull.freed]
    return (client.delete_many(going) if going else []), [*kept, *((title, one.reason) for title, one in used.items())]


def batches(documents: Sequence[Document], limit: int = REQUEST_BYTES) -> Iterator[list[Document]]:
    """Documents in requests, in their order; all of them in one, where it is short enough."""
    batch: list[Document] = []
    size = 0
    for one in documents:
        length = len(json.dumps(one)) + 2
        if batch and size + length > limit:
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += length
    if batch:
        yield batch


def _sources_first(documents: Iterable[Document]) -> list[Document]:
    """By kind, and devices after those that they name: each request then names what is there already."""
    given = list(documents)
    named = {
        _key(one): [
            registry.get("PhysicalResource").key(one["datacenter"], link[field])
            for links, field in (("power_links", "source"), ("network_links", "peer"))
            for link in one["spec"].get(links) or ()
        ]
        for one in given
        if one["kind"] == "PhysicalResource"
    }
    depth: dict[Key, int] = {}
    for start in named:
        waiting = [(start, False)]
        while waiting:
            key, done = waiting.pop()
            if done:
                depth[key] = 1 + max((depth.get(above, 0) for above in named[key]), default=0)
            elif key not in depth:
                depth[key] = 0  # a ring of links ends here
                waiting.append((key, True))
                waiting += [(above, False) for above in named[key] if above in named and above not in depth]
    return sorted(given, key=lambda one: (KINDS.index(one["kind"]), depth.get(_key(one), 0)))


def _merged(new: Document, old: Document | None, rules: Rules) -> Document:
    """The document to write: NetBox's fields and labels over those that it says nothing of."""
    if old is None:
        return new
    owned = naming.owned(rules.labels, rules.mark) | {ID_LABEL, NAME_LABEL, INSTANCE_LABEL}
    labels = {key: value for key, value in old["labels"].items() if key not in owned}
    rest: Document = {field: old[field] for field in ("project", "max_revision_history") if field in old}
    return {**new, **rest, "labels": {**labels, **new["labels"]}, "spec": {**old["spec"], **new["spec"]}}


def _without_what_moved(
    stored: Iterable[Document], wanted: Sequence[Document], moved: MovedPlaces
) -> Iterator[Document]:
    """Those of ``stored`` that have an address or a place which NetBox gives to another now, without it.

    A renamed device has the addresses of the old one, and two may have exchanged theirs.
    """
    needed = {place: _key(one) for one in wanted for _, places in _port_claims(one) for place in places.values()}
    for one in stored:
        key = _key(one)
        freed = {
            index: [field for field, place in places.items() if needed.get(place, key) != key]
            for index, places in _port_claims(one)
        }
        changed = moved.kept(one)
        if any(freed.values()):
            changed["ports"] = [_freed(port, freed.get(index, ())) for index, port in enumerate(one["spec"]["ports"])]
        if changed:
            rest: Document = {field: one[field] for field in ("project", "labels", "max_revision_history")}
            yield {**removal.named(one), **rest, "spec": {**one["spec"], **changed}}


def _takers(giver: Document, wanted: Sequence[Document], moved: MovedPlaces) -> set[Key]:
    """Return which documents take an address or a place of a resource that NetBox no longer has."""
    own = {place for _, places in _port_claims(giver) for place in places.values()}
    taken = moved.takers(giver)
    return {
        key
        for one in wanted
        if (key := _key(one)) != _key(giver)
        and (
            (one["kind"], (str(one.get("datacenter") or ""), str(one["name"]))) in taken
            or any(place in own for _, places in _port_claims(one) for place in places.values())
        )
    }


def _titles_of(one: Document) -> tuple[str, str]:
    """As the server names who has an address, and who has a place."""
    return f"{one['kind']} {one['name']}", str(_key(one))


def _freed(port: Mapping[str, Any], fields: Collection[str]) -> Mapping[str, Any]:
    """Return a port without those of its addresses and without the MAC that it gives up."""
    more = [one for one in port.get("secondary_addresses") or () if _further(one) not in fields]
    freed: dict[str, Any] = {**port, **dict.fromkeys(name for name in fields if name in port)}
    return {**freed, "secondary_addresses": more} if "secondary_addresses" in port else freed


def _further(one: Mapping[str, Any]) -> str:
    return f"secondary {one.get('network') or ''} {one['address']}"


def _port_claims(one: Document) -> Iterator[tuple[int, dict[str, tuple[str, ...]]]]:
    """Per port, what nobody else in the datacenter may have."""
    for index, port in enumerate(one["spec"].get("ports") or ()):
        places = {"address": (port.get("network") or "", port["address"])} if port.get("address") else {}
        places |= {"mac": ("mac", port["mac"])} if port.get("mac") else {}
        claims: dict[str, tuple[str, ...]] = {
            field: (str(one.get("datacenter")), *map(str, place)) for field, place in places.items()
        }
        for more in port.get("secondary_addresses") or ():
            claims[_further(more)] = (str(one.get("datacenter")), more.get("network") or "", more["address"])
        yield index, claims


def _refuse_foreign(wanted: Sequence[Document], stored: Mapping[Key, Document], rules: Rules, *, adopt: bool) -> None:
    if adopt:
        return
    keys = [_key(one) for one in wanted]
    foreign = [str(key) for key in keys if key in stored and not _is_ours(stored[key], rules)]
    if foreign:
        others = {stored[key]["labels"].get(INSTANCE_LABEL) for key in keys if key in stored} - {None, rules.instance}
        message = "names from NetBox are taken by resources that the sync has not created"
        if others:
            message += f" from {rules.instance}, but from {', '.join(sorted(others))}: for the same NetBox, set"
            message += " instance to that value in the mapping; for another one, give other names with names.templates"
        else:
            message += "; --adopt adopts them"
        raise Conflict(message, users=foreign[:_SHOWN], user_count=len(foreign))


def _refused(
    wanted: Sequence[Document],
    changes: Sequence[Mapping[str, Any]],
    givers: Collection[str],
    known: Collection[Key],
    takers: Callable[[Key], Collection[Key]],
    stored: Mapping[Key, Document],
) -> Mapping[Key, str]:
    """Return what is refused in any of all the requests, with the reasons, before the first is sent.

    A request knows nothing of the others: what it names may be in one of them, and who has the
    address that it takes may give it up in one. Of two documents that exclude each other only one is returned.
    Where a resource cannot give up what another takes, it is the taker. Raises InvalidInput when nothing takes it.
    """
    batch = {str(_key(one)) for one in wanted}
    reasons: dict[Key, list[str]] = {}
    paths: list[Problem] = []
    for one, change in zip(wanted, changes, strict=True):
        found = [*_refusals(change, givers)]
        for problem in change["unresolved"]:
            if problem["message"].removesuffix(" does not exist") not in batch:
                found.append((problem["path"], problem["message"]))
        if found:
            reasons[_key(one)] = [f"{path}: {message}" for path, message in found]
            paths += [Problem(f"{change['kind']} {change['key']}.{path}", message) for path, message in found]
    if reasons and not reasons.keys() & set(known):
        stopped = {
            taker: f"{key} cannot give up what it takes: {'; '.join(said)}"
            for key, said in reasons.items()
            for taker in takers(key)
            if taker in known
        }
        if stopped:
            return stopped
        more = len(paths) - _SHOWN
        raise InvalidInput(paths[:_SHOWN] + ([Problem("", f"and {more} more")] if more > 0 else []))
    by_title = {title: _key(one) for one in wanted for title in _titles_of(one)}
    ranks = {_key(one): pruning.rank(one, stored) for one in wanted if _key(one) in reasons}
    bad = {}
    for key, said in reasons.items():
        text = " ".join(said)
        others = (other for title, other in by_title.items() if other in ranks and other != key and title in text)
        if key in known and not any(ranks[other] > ranks[key] for other in others):
            bad[key] = "; ".join(said)
    return bad or {key: "; ".join(said) for key, said in reasons.items() if key in known}


def _refusals(change: Mapping[str, Any], givers: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield path and message of each refusal that the other requests of the pull do not resolve."""
    for refusal in change["refusals"]:
        if refusal.get("users") and refusal["path"].startswith(_TAKEN):
            staying = set(refusal["users"]) - set(givers)
            # Two devices of which one would grow into the other: it is enough that one gives its place up.
            if not staying or (change["kind"] == "PhysicalModel" and len(staying) < len(refusal["users"])):
                continue
        users = f" (by {', '.join(refusal['users'])})" if refusal.get("users") else ""
        yield refusal["path"], refusal["message"] + users


def _is_ours(one: Document, rules: Rules) -> bool:
    return rules.has_created(one["labels"])


def _in_scope(one: Document, rules: Rules, translation: Translation) -> bool:
    """With chosen sites only what lies in their datacenters can be missed."""
    return not rules.sites or one.get("datacenter") in (translation.datacenters or ())


def _key(one: Mapping[str, Any]) -> Key:
    kind = registry.get(str(one["kind"]))
    return kind.key(*(str(one[field]) for field in (*kind.parents, "name")))
