"""Which cluster runs a service (J9): filters, then weight, then free capacity; first to accept wins.

A service is never split over clusters, and the choice stays once made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controller.model.cluster import CLUSTER, Cluster
from controller.model.compute import Compute
from controller.model.region_service import RegionService
from controller.model.registry import Key
from controller.root.service_template import load_template
from controller.store import resources
from controller.store.database import Transaction


@dataclass(frozen=True)
class Candidate:
    """A cluster that may run the service, and the Computes as they would be there (no addresses yet)."""

    cluster: Cluster
    computes: tuple[Compute, ...]


def candidates(tx: Transaction, service: RegionService) -> list[Candidate]:
    """Clusters to be asked, in order; raises NotFound when flavor or image are missing.

    A service that has a cluster already stays there: only that one is asked, and only for the
    Computes that are still missing.
    """
    bound = service.observed.get("cluster")
    indices = range(int(service.observed.get("replicas", 0)) if bound else 0, service.spec.replicas)
    chosen = []
    for cluster in asked(tx, service):
        make = load_template(tx, service, cluster.name)
        computes = tuple(make.compute(index, make.compute_spec(index, ())) for index in indices)
        chosen.append(Candidate(cluster, computes))
    return chosen


def asked(tx: Transaction, service: RegionService) -> list[Cluster]:
    """The clusters that a service may go to, in order; only its own once it has one."""
    clusters = resources.list_all(tx, CLUSTER, fields={"spec.region": service.region})
    bound = service.observed.get("cluster")
    return [each for each in clusters if each.name == bound] if bound else order(_fitting(service, clusters))


def _fitting(service: RegionService, clusters: Sequence[Cluster]) -> list[Cluster]:
    policy = service.spec.compute.schedule_policy
    return [
        cluster
        for cluster in clusters
        if (not policy.cluster_filters or cluster.name in policy.cluster_filters)
        and all(cluster.labels.get(name) == value for name, value in policy.cluster_label_filters.items())
    ]


def order(clusters: Sequence[Cluster]) -> list[Cluster]:
    """Highest weight first; equal ones by free memory, then free vcpus, then name."""

    def rank(cluster: Cluster) -> tuple[Any, ...]:
        free = cluster.observed.get("free", {})
        return (-cluster.spec.weight, -free.get("memory_mib", 0), -free.get("vcpus", 0), cluster.name)

    return sorted(clusters, key=rank)


def refusal(service: Key, answers: Sequence[tuple[str, str]]) -> str:
    """Why no cluster takes the service: each cluster asked with its answer."""
    if not answers:
        return f"no cluster of region {service.names[0]!r} passes the service's cluster filters"
    return "no cluster can take it: " + "; ".join(f"{cluster}: {answer}" for cluster, answer in answers)
