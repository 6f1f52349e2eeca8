"""The desired state that the root sends to a cluster, owner by owner, with its digest. Pure.

An owner is a RegionService (its Computes and its Loadbalancer), a Node, a JoinToken or a SecurityGroup. Only
what was asked for is sent, never what was observed, so that the digest changes only with the desired state. A Compute
that is being deleted is left out: this is how a cluster learns of the deletion.

The digest of a service covers how many Computes were ever created for it. Without this number, a state from before a
Compute was created and a state from after its deletion would have equal digests, and the cluster might still report
the older one while the newer one is on its way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from controller.model.compute import Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import Node
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource, Key, key_of
from controller.wire import cluster_pb2

CHUNK_DOCUMENTS = 500
"""Documents per message: about half a megabyte."""

_SENT = {"kind", "name", "project", "region", "cluster", "labels", "spec", "uid", "revision", "max_revision_history"}


@dataclass(frozen=True)
class Owner:
    """The whole desired state of one owner."""

    name: str
    documents: tuple[bytes, ...]
    digest: str
    deleted: bool = False
    deleted_uids: tuple[str, ...] = ()
    """Of Computes that are being deleted: the cluster deletes their disks too."""


def owner_name(key: Key) -> str:
    """Return the name of an owner in messages: ``RegionService default/kanto/web``."""
    return str(key)


def service_owner(service: RegionService, computes: Sequence[Compute], loadbalancer: Loadbalancer | None) -> Owner:
    """Return the desired state of a service."""
    parts: list[AnyResource] = [*computes, *([loadbalancer] if loadbalancer is not None else [])]
    documents = [_document(part) for part in parts if not part.is_deleting]
    deleted = tuple(compute.uid for compute in computes if compute.is_deleting)
    owner = _owner(key_of(service), documents, f"{service.uid} {service.facts.made}")
    return replace(owner, deleted_uids=deleted)


def node_owner(node: Node, zones: Mapping[str, str]) -> Owner:
    """Return the desired state of a node, with its failure domains.

    That its agent has registered goes along, and is no part of the digest: a cluster whose database is older than the
    node then waits for its report.
    """
    document = {**_document(node), "observed": {"zones": dict(zones)}}
    owner = _owner(key_of(node), [document])
    if not node.facts.has_joined:
        return owner
    sent = _owner(key_of(node), [{**document, "observed": {"zones": dict(zones), "registered": True}}])
    return replace(sent, digest=owner.digest)


def plain_owner(resource: AnyResource, observed: Mapping[str, Any]) -> Owner:
    """Return the desired state of a resource that contains no others, with some facts of the root.

    These are JoinTokens and SecurityGroups.
    """
    return _owner(key_of(resource), [{**_document(resource), "observed": dict(observed)}])


def deleted_owner(name: str) -> Owner:
    """Return the state of a deleted owner: the cluster deletes what it has of it."""
    return Owner(name, (), "", deleted=True)


def chunks(owners: Sequence[Owner], site: str, term: int, sequence: int) -> list[cluster_pb2.SyncChunk]:
    """Return the messages that carry the owners as of version ``sequence``; a large owner takes several messages."""
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
                    owner=owner.name,
                    digest=owner.digest,
                    documents=part,
                    more=bool(rest),
                    gone=owner.deleted,
                    deleted_uids=() if rest else owner.deleted_uids,
                )
            )
            room -= max(1, len(part))
            if room <= 0:
                flush()
            if not rest:
                break
    flush()
    return messages


def _document(resource: AnyResource) -> dict[str, Any]:
    return resource.model_dump(mode="json", include=_SENT)


def _owner(key: Key, documents: Sequence[Mapping[str, Any]], era: str = "") -> Owner:
    encoded = tuple(json.dumps(document, sort_keys=True, separators=(",", ":")).encode() for document in documents)
    digest = hashlib.sha256(b"\n".join([era.encode(), *encoded])).hexdigest()
    return Owner(owner_name(key), encoded, digest)
