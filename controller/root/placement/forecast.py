"""Asking clusters where services would go, before anything is written (J9; decisions: plans).

Clusters are asked in J9's order, all services of a plan together: in each round every cluster is
asked once, about the services that it took in earlier rounds and then about those whose turn it is,
in the order of the plan, so that each sees what those before it took. A cluster that is away makes
its services' forecasts unknown; the others keep theirs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from controller.errors import ResourceError
from controller.model.cluster import Cluster
from controller.model.compute import Compute
from controller.model.flavor import RESOURCE_FLAVOR, ResourceFlavor
from controller.model.image import IMAGE, Image
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource, Key, key_of
from controller.root.cluster_gateway import Forecast
from controller.root.placement import cluster_choice
from controller.root.service_template import Template
from controller.schedule import reasons
from controller.store import resources
from controller.store.database import Transaction
from controller.wire import cluster_pb2

Ask = Callable[[Cluster, Sequence[cluster_pb2.ServiceWish]], Awaitable[Sequence[bytes]]]
"""Asks one cluster; answers in the order of the wishes. Raises Unavailable, TimedOut, ..."""


@dataclass
class Question:
    """One service, and the clusters that are still to be asked about it."""

    clusters: list[Cluster]
    wishes: list[cluster_pb2.ServiceWish]
    """What each of those clusters is asked."""
    answer: Forecast | None = None
    refused_by: dict[str, str] = field(default_factory=dict)
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def bound(self) -> bool:
        """It runs in its only cluster already."""
        return bool(self.wishes) and self.wishes[0].bound


def question(tx: Transaction, service: RegionService, beside: Sequence[AnyResource]) -> Question:
    """What is to be asked of whom; ``beside`` is written by the same plan and counts as being there."""
    pending = {key_of(each): each for each in beside}
    wanted = service.spec.compute
    flavor = _found(tx, pending, RESOURCE_FLAVOR.key(wanted.flavor))
    image = _found(tx, pending, IMAGE.key(service.region, wanted.image))
    clusters = cluster_choice.asked(tx, service)
    if flavor is None or image is None:
        missing = f"flavor {wanted.flavor}" if flavor is None else f"image {wanted.image}"
        return Question([], [], Forecast(unknown=f"{missing} does not exist"))
    if not clusters:
        return Question([], [], Forecast(unknown="no cluster of the region passes the service's cluster filters"))
    wishes = []
    for cluster in clusters:
        make = Template(service, cluster.name, cast(ResourceFlavor, flavor), cast(Image, image))
        wishes.append(
            cluster_pb2.ServiceWish(
                compute=_sample(make).model_dump_json().encode(),
                replicas=service.spec.replicas,
                bound=bool(service.observed.get("cluster")),
            )
        )
    return Question(clusters, wishes)


async def ask(questions: Sequence[Question], cluster: Ask) -> list[Forecast]:
    """The forecast of each, in order."""
    accepted: dict[str, list[cluster_pb2.ServiceWish]] = {}
    while waiting := [each for each in questions if each.answer is None]:
        turns: dict[str, list[Question]] = {}
        for each in waiting:
            turns.setdefault(each.clusters[0].name, []).append(each)
        rounds = (_round(those, accepted.setdefault(name, []), cluster) for name, those in turns.items())
        await asyncio.gather(*rounds)
    return [each.answer for each in questions if each.answer is not None]


async def _round(those: Sequence[Question], accepted: list[cluster_pb2.ServiceWish], ask_cluster: Ask) -> None:
    """One cluster's turn."""
    cluster = those[0].clusters[0]
    try:
        told = await ask_cluster(cluster, [*accepted, *(each.wishes[0] for each in those)])
    except ResourceError as error:
        for each in those:
            each.answer = Forecast(unknown=_away(cluster, error), refused_by=each.refused_by)
        return
    for each, text in zip(those, told[len(accepted) :], strict=True):
        details = json.loads(text)
        if details["accepted"] or each.bound:
            each.answer = _forecast(cluster.name, details, each.refused_by)
            continue
        each.refused_by[cluster.name] = reasons.refusals(details["refused"], each.wishes[0].replicas)
        each.last = details
        each.clusters, each.wishes = each.clusters[1:], each.wishes[1:]
        if not each.clusters:
            each.answer = _forecast("", each.last, each.refused_by)
    accepted.extend(each.wishes[0] for each in those if each.answer is not None and each.answer.cluster)


def _away(cluster: Cluster, error: ResourceError) -> str:
    """Errors of calls name the cluster already."""
    named = f"cluster {cluster.name}: "
    return error.message if error.message.startswith(named) else named + error.message


def _forecast(cluster: str, details: dict[str, Any], refused_by: dict[str, str]) -> Forecast:
    more = {name: value for name, value in details.items() if name not in ("accepted", "placements", "reasons")}
    return Forecast(cluster, details["placements"], details["reasons"], details=more, refused_by=refused_by)


def _sample(make: Template) -> Compute:
    """A Compute as all would be, without what is nobody's business here."""
    spec = make.compute_spec(0, ()).model_copy(update={"user_data": "", "ssh_keys": ()})
    return make.compute(0, spec)


def _found(tx: Transaction, pending: dict[Key, AnyResource], key: Key) -> AnyResource | None:
    return pending.get(key) or resources.find(tx, key)
