"""Forecasts for the plan of a write: which cluster and nodes would take each service. Writes nothing.

The clusters are asked in the order of ``cluster_choice``, all services of a plan together. Each round calls each
cluster once: with the services that it accepted in earlier rounds, then with those whose turn it is, in the order of
the plan, so that each service sees what those before it took. An unreachable cluster makes the forecasts of its
services unknown; the other forecasts stay.

Design: J9
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.errors import ResourceError
from controller.model.cluster import Cluster
from controller.model.compute import Compute
from controller.model.flavor import RESOURCE_FLAVOR, ResourceFlavor
from controller.model.image import IMAGE, Image
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource, Key, Kind, T, key_of
from controller.root.cluster_gateway import Forecast
from controller.root.placement import cluster_choice
from controller.root.service_template import Template
from controller.schedule import reasons
from controller.store import resources
from controller.store.database import Transaction
from controller.wire import cluster_pb2

CallCluster = Callable[[Cluster, Sequence[cluster_pb2.ServiceRequest]], Awaitable[Sequence[bytes]]]
"""Call one cluster; the answers are in the order of the requests. Raises Unavailable, TimedOut, ..."""


@dataclass
class PendingForecast:
    """The forecast of one service, and the clusters that are still to be asked for it."""

    clusters: list[Cluster]
    requests: list[cluster_pb2.ServiceRequest]
    """The request to each of those clusters."""
    answer: Forecast | None = None
    refused_by: dict[str, str] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def bound(self) -> bool:
        """Return whether the service already runs in its only cluster."""
        return bool(self.requests) and self.requests[0].bound


def prepare(tx: Transaction, service: RegionService, planned: Sequence[AnyResource]) -> PendingForecast:
    """Return the requests for one service; what the same plan writes (``planned``) counts as stored."""
    pending = {key_of(each): each for each in planned}
    wanted = service.spec.compute
    flavor = _find(tx, pending, RESOURCE_FLAVOR, RESOURCE_FLAVOR.key(wanted.flavor))
    image = _find(tx, pending, IMAGE, IMAGE.key(service.region, wanted.image))
    clusters = cluster_choice.asked(tx, service)
    if flavor is None or image is None:
        missing = f"flavor {wanted.flavor}" if flavor is None else f"image {wanted.image}"
        return PendingForecast([], [], Forecast(unknown=f"{missing} does not exist"))
    if not clusters:
        return PendingForecast(
            [], [], Forecast(unknown="no cluster of the region passes the service's cluster filters")
        )
    return PendingForecast(clusters, [_request(service, cluster, flavor, image) for cluster in clusters])


async def ask(services: Sequence[PendingForecast], call_cluster: CallCluster) -> list[Forecast]:
    """Return the forecasts, in the order of the services."""
    accepted: dict[str, list[cluster_pb2.ServiceRequest]] = {}
    while waiting := [each for each in services if each.answer is None]:
        turns: dict[str, list[PendingForecast]] = {}
        for each in waiting:
            turns.setdefault(each.clusters[0].name, []).append(each)
        rounds = (_round(those, accepted.setdefault(name, []), call_cluster) for name, those in turns.items())
        await asyncio.gather(*rounds)
    return [each.answer for each in services if each.answer is not None]


async def _round(
    those: Sequence[PendingForecast], accepted: list[cluster_pb2.ServiceRequest], call_cluster: CallCluster
) -> None:
    """Call one cluster for the services whose turn it is there."""
    cluster = those[0].clusters[0]
    try:
        answers = await call_cluster(cluster, [*accepted, *(each.requests[0] for each in those)])
    except ResourceError as error:
        for each in those:
            each.answer = Forecast(unknown=_unreachable(cluster, error), refused_by=each.refused_by)
        return
    for each, text in zip(those, answers[len(accepted) :], strict=True):
        details = json.loads(text)
        if details["accepted"] or each.bound:
            each.answer = _forecast(cluster.name, details, each.refused_by)
            continue
        each.refused_by[cluster.name] = reasons.refusals(details["refused"], each.requests[0].replicas)
        each.last = details
        each.clusters, each.requests = each.clusters[1:], each.requests[1:]
        if not each.clusters:
            each.answer = _forecast("", each.last, each.refused_by)
    accepted.extend(each.requests[0] for each in those if each.answer is not None and each.answer.cluster)


def _unreachable(cluster: Cluster, error: ResourceError) -> str:
    """Return the error with the cluster's name; errors of calls already begin with it."""
    named = f"cluster {cluster.name}: "
    return error.message if error.message.startswith(named) else named + error.message


def _forecast(cluster: str, details: dict[str, Any], refused_by: dict[str, str]) -> Forecast:
    more = {name: value for name, value in details.items() if name not in ("accepted", "placements", "reasons")}
    return Forecast(cluster, details["placements"], details["reasons"], details=more, refused_by=refused_by)


def _request(
    service: RegionService, cluster: Cluster, flavor: ResourceFlavor, image: Image
) -> cluster_pb2.ServiceRequest:
    return cluster_pb2.ServiceRequest(
        compute=_sample(Template(service, cluster.name, flavor, image)).model_dump_json().encode(),
        replicas=service.spec.replicas,
        bound=bool(service.facts.cluster),
    )


def _sample(template: Template) -> Compute:
    """Return a Compute like all of the service, without the user data and keys, which placement does not need."""
    spec = template.compute_spec(0, ()).model_copy(update={"user_data": "", "ssh_keys": ()})
    return template.compute(0, spec)


def _find(tx: Transaction, pending: Mapping[Key, AnyResource], kind: Kind[T], key: Key[T]) -> T | None:
    planned = pending.get(key)
    return planned if isinstance(planned, kind.model) else resources.find(tx, key)
