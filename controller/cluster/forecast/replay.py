"""Forecasts from a saved snapshot what the cluster would have answered at that time. Pure, offline.

Design: J10
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controller.cluster.forecast.forecaster import Forecast, Forecaster, ServiceRequest
from controller.errors import InvalidInput, Problem
from controller.model.compute import Compute, ComputeSpec
from controller.model.flavor import ResourceFlavor
from controller.model.image import ImageSpec
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource
from controller.schedule import load_with_present

_NO_IMAGE = ImageSpec(url="file:///none", checksum="sha256:" + "0" * 64)


def forecaster(scheduling: Mapping[str, Any]) -> Forecaster:
    """Return a forecaster on the saved snapshot; raises InvalidInput for a malformed one."""
    return Forecaster(*load_with_present(scheduling))


def answer(
    scheduling: Mapping[str, Any], services: Sequence[RegionService], others: Iterable[AnyResource], cluster: str
) -> list[Forecast]:
    """Return the forecast of each service, one after the other.

    ``others`` holds the flavors; of two of one name the later counts. Raises InvalidInput for a
    flavor that is not among them, and for a malformed snapshot.
    """
    saved = forecaster(scheduling)
    flavors = {each.name: each for each in others if isinstance(each, ResourceFlavor)}
    bad = [
        Problem(f"{each.name}: spec.compute.flavor", f"ResourceFlavor {each.spec.compute.flavor} does not exist")
        for each in services
        if each.spec.compute.flavor not in flavors
    ]
    if bad:
        raise InvalidInput(bad)
    return [saved.of(service_request(each, flavors[each.spec.compute.flavor], cluster)) for each in services]


def service_request(service: RegionService, flavor: ResourceFlavor, cluster: str) -> ServiceRequest:
    """Return the service as the root would send it, with only what placement uses."""
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
    return ServiceRequest(compute, service.spec.replicas)
