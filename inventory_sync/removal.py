"""What a pull with ``--remove`` may delete: nothing that is used, nothing that its plan did not show, and not too much.

A resource is kept while others refer to it: a device that is a node stays, and so does its rack. What only resources
refer to that the pull changes can be deleted after it. The plan counts that as deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.client import Client
from controller.model import registry
from inventory_sync.locations import Document
from inventory_sync.pruning import key_of

_FEW = 5
"""So many resources of a kind may be deleted whatever their share is: a last rack row, the only region."""


@dataclass(frozen=True)
class Used:
    """Why a resource cannot be deleted."""

    reason: str
    users: tuple[str, ...] = ()


def removable(client: Client, gone: Sequence[Document]) -> tuple[list[Document], dict[str, Used]]:
    """Return what can be deleted in one transaction, and what is used, by title: a device that stays keeps its rack."""
    going = [named(one) for one in gone]
    kept: dict[str, Used] = {}
    while going:
        reasons: dict[str, Used] = {}
        for change in client.plan_delete_many(going)["changes"]:
            if change["refusals"]:
                users = [user for refusal in change["refusals"] for user in refusal.get("users") or ()]
                words = change["refusals"][0]["message"] + (f" by {', '.join(users)}" if users else "")
                reasons[f"{change['kind']} {change['key']}"] = Used(words, tuple(users))
        if not reasons:
            break
        kept |= dict(sorted(reasons.items()))
        going = [one for one in going if str(key_of(one)) not in reasons]
    return going, kept


def freed(used: Mapping[str, Used], written: Collection[str]) -> frozenset[str]:
    """Return the titles of what nothing else refers to than what is ``written``, and what is freed itself."""
    found = {title for title, one in used.items() if one.users}
    while staying := {title for title in found if not {*written, *found}.issuperset(used[title].users)}:
        found -= staying
    return frozenset(found)


def excess(kinds: Iterable[str], synced: Mapping[str, int], limit: int) -> str:
    """Return why a removal is refused: it is more than ``limit`` percent of what the sync created. Empty: it is not.

    A token that may no longer see everything answers with short lists, as if devices had been deleted. It may still
    see the longest list, so that the share of each kind counts too, except for a few resources.
    """
    going = Counter(kinds)
    shares = [("resources", going.total(), sum(synced.values()))]
    shares += [(f"{kind}s", count, synced[kind]) for kind, count in going.items() if count > _FEW]
    too_much = [(what, count, of) for what, count, of in shares if count * 100 > limit * of]
    if not too_much:
        return ""
    what, count, of = too_much[0]
    share = max(-(-count * 100 // of) for _, count, of in too_much)
    return (
        f"--remove would delete {count} of the {of} {what} that pulls created, which is more than"
        f" --remove-limit ({limit} %): check what NetBox's token may see, or give --remove-limit {share}"
    )


def named(one: Document) -> Document:
    """Return what names a document: its kind, parents and name."""
    kind = registry.get(one["kind"])
    return {field: one[field] for field in ("kind", *kind.parents, "name")}
