"""The choice of the cluster that runs a service: filters, then weight, then free capacity; the first to accept wins.

A service is never split over clusters, and the choice is final.

Design: J9
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
    """A cluster that may run the service, and the Computes as they would be there, without addresses."""

    cluster: Cluster
    computes: tuple[Compute, ...]


def candidates(tx: Transaction, service: RegionService) -> list[Candidate]:
    """Return the clusters to ask, in order; raises NotFound if the flavor or the image does not exist.

    A service that has a cluster stays there: only this cluster is asked, and only for the missing Computes.
    """
    bound = service.facts.cluster
    indices = range(service.facts.replicas if bound else 0, service.spec.replicas)
    chosen = []
    for cluster in asked(tx, service):
        make = load_template(tx, service, cluster.name)
        computes = tuple(make.compute(index, make.compute_spec(index, ())) for index in indices)
        chosen.append(Candidate(cluster, computes))
    return chosen


def asked(tx: Transaction, service: RegionService) -> list[Cluster]:
    """Return the clusters that may run a service, in order; only its own if it has one."""
    clusters = resources.list_all(tx, CLUSTER, fields={"spec.region": service.region})
    bound = service.facts.cluster
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
    """Return the clusters by weight, highest first; then by free memory, free vcpus and name."""

    def rank(cluster: Cluster) -> tuple[Any, ...]:
        free = cluster.facts.free
        return (-cluster.spec.weight, -free.memory_mib, -free.vcpus, cluster.name)

    return sorted(clusters, key=rank)


def refusal(service: Key, answers: Sequence[tuple[str, str]]) -> str:
    """Return why no cluster accepts the service: each cluster with its answer."""
    if not answers:
        return f"no cluster of region {service.names[0]!r} passes the service's cluster filters"
    return "no cluster can take it: " + "; ".join(f"{cluster}: {answer}" for cluster, answer in answers)
