"""The desired state that goes to a cluster, owner by owner, and its digest (pure).

An owner is a RegionService (its Computes and Loadbalancer), a Node or a JoinToken. Only what was
asked is sent, never what was seen, so that the digest changes only when the wish does. A Compute
that is being deleted is left out: that is how a cluster learns of it.

A service's digest tells how many Computes were made for it so far: a wish without a Compute must not
look like one from before it was made, which the cluster may still name while it is being told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.model.compute import Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import Node
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource, Key, key_of
from controller.wire import cluster_pb2

MADE = "made"
"""In a service's ``observed``: how many Computes were made for it, those that are gone included."""

CHUNK_DOCUMENTS = 500
"""Documents per message: about half a megabyte."""

_WISH = {"kind", "name", "project", "region", "cluster", "labels", "spec", "uid", "revision", "max_revision_history"}


@dataclass(frozen=True)
class Owner:
    """Everything that is wanted of one owner."""

    name: str
    documents: tuple[bytes, ...]
    digest: str
    gone: bool = False


def owner_name(key: Key) -> str:
    """``RegionService default/kanto/web``"""
    return str(key)


def service_owner(service: RegionService, computes: Sequence[Compute], loadbalancer: Loadbalancer | None) -> Owner:
    """What is wanted of a service."""
    parts: list[AnyResource] = [*computes, *([loadbalancer] if loadbalancer is not None else [])]
    wanted = [_wish(part) for part in parts if not part.is_deleting]
    return _owner(key_of(service), wanted, f"{service.uid} {service.observed.get(MADE, 0)}")


def node_owner(node: Node, zones: Mapping[str, str]) -> Owner:
    """What is wanted of a node, with its failure domains."""
    return _owner(key_of(node), [{**_wish(node), "observed": {"zones": dict(zones)}}])


def plain_owner(resource: AnyResource, observed: Mapping[str, Any]) -> Owner:
    """A resource that goes over as it is (JoinToken), with chosen facts beside the wish."""
    return _owner(key_of(resource), [{**_wish(resource), "observed": dict(observed)}])


def gone(name: str) -> Owner:
    """An owner that is no more: the cluster forgets it."""
    return Owner(name, (), "", gone=True)


def chunks(owners: Sequence[Owner], site: str, term: int, sequence: int) -> list[cluster_pb2.SyncChunk]:
    """Messages that carry the owners, as of version ``sequence``; a large owner goes on over several."""
    messages: list[cluster_pb2.SyncChunk] = []
    states: list[cluster_pb2.OwnerState] = []
    room = CHUNK_DOCUMENTS

    def flush() -> None:
        nonlocal states, room
        if states:
            messages.append(cluster_pb2.SyncChunk(site=site, term=term, owners=states, sequence=sequence))
        states, room = [], CHUNK_DOCUMENTS

    for owner in owners:
        rest = list(owner.documents)
        while True:
            part, rest = rest[:room], rest[room:]
            states.append(
                cluster_pb2.OwnerState(
                    owner=owner.name, digest=owner.digest, documents=part, more=bool(rest), gone=owner.gone
                )
            )
            room -= max(1, len(part))
            if room <= 0:
                flush()
            if not rest:
                break
    flush()
    return messages


def _wish(resource: AnyResource) -> dict[str, Any]:
    return resource.model_dump(mode="json", include=_WISH)


def _owner(key: Key, documents: Sequence[Mapping[str, Any]], era: str = "") -> Owner:
    encoded = tuple(json.dumps(document, sort_keys=True, separators=(",", ":")).encode() for document in documents)
    digest = hashlib.sha256(b"\n".join([era.encode(), *encoded])).hexdigest()
    return Owner(owner_name(key), encoded, digest)
