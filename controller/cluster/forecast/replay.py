"""Answers from a saved snapshot what the cluster would have answered then (J10; pure, offline)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controller.cluster.forecast.forecaster import Forecast, Forecaster, Wish
from controller.errors import InvalidInput, Problem
from controller.model.compute import Compute, ComputeSpec
from controller.model.flavor import ResourceFlavor
from controller.model.image import ImageSpec
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource
from controller.schedule import load_with_present

_NO_IMAGE = ImageSpec(url="file:///none", checksum="sha256:" + "0" * 64)


def forecaster(scheduling: Mapping[str, Any]) -> Forecaster:
    """What the cluster would have answered then; raises InvalidInput for what is no snapshot."""
    return Forecaster(*load_with_present(scheduling))


def answer(
    scheduling: Mapping[str, Any], services: Sequence[RegionService], beside: Iterable[AnyResource], cluster: str
) -> list[Forecast]:
    """The forecast of each service, one after the other.

    ``beside`` holds the flavors; of two of one name the later counts. Raises InvalidInput for a
    flavor that is not among them, and for what is no snapshot.
    """
    asked = forecaster(scheduling)
    flavors = {each.name: each for each in beside if isinstance(each, ResourceFlavor)}
    bad = [
        Problem(f"{each.name}: spec.compute.flavor", f"ResourceFlavor {each.spec.compute.flavor} does not exist")
        for each in services
        if each.spec.compute.flavor not in flavors
    ]
    if bad:
        raise InvalidInput(bad)
    return [asked.of(wish(each, flavors[each.spec.compute.flavor], cluster)) for each in services]


def wish(service: RegionService, flavor: ResourceFlavor, cluster: str) -> Wish:
    """The service as the root would ask for it: only what placement looks at."""
    wanted = service.spec.compute
    spec = ComputeSpec(
        service=service.name,
        index=0,
        host_name=service.name,
        cluster=cluster,
        provider=flavor.spec.provider,
        sizes=flavor.spec.sizes,
        image=_NO_IMAGE,
        disks=wanted.disks,
        schedule_policy=wanted.schedule_policy,
        on_node_down=wanted.on_node_down,
    )
    compute = Compute(name=f"{service.name}-0", region=service.region, project=service.project, spec=spec)
    return Wish(compute, service.spec.replicas)
