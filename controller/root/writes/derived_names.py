"""Refuse names from which names would be made that are too long, when the name is given and not months later.

A Compute is named ``<service>-<index>``: the name of a RegionService leaves room for the index of the most replicas
that a service may have, so that no scale-up fails on it. The name of a Cluster goes into the common name of its
certificate authority (64 characters, RFC 5280). What was stored before these rules may change as long as what is
derived from it still fits.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.model.cluster import Cluster
from controller.model.names import MAX_NAME
from controller.model.region_service import MAX_REPLICAS, RegionService
from controller.model.registry import AnyResource
from controller.pki import cluster_scope
from controller.pki.identity import authority_name

MAX_COMMON_NAME = 64


def problems(before: AnyResource | None, after: AnyResource) -> Iterator[tuple[str, str]]:
    """Yield the path of each bad field with the reason."""
    match after:
        case RegionService() if before is None:
            most = MAX_NAME - len(f"-{MAX_REPLICAS - 1}")
            if len(after.name) > most:
                yield "name", f"must have at most {most} characters: its Computes are named {after.name}-0, ..."
        case RegionService():
            last = f"{after.name}-{after.spec.replicas - 1}"
            if len(last) > MAX_NAME:
                yield "spec.replicas", f"is too large for the name of the service: a Compute cannot be named {last}"
        case Cluster() if before is None:
            most = MAX_COMMON_NAME - len(authority_name(cluster_scope("")))
            if len(after.name) > most:
                yield (
                    "name",
                    f"must have at most {most} characters: the name of the cluster's authority contains it",
                )
