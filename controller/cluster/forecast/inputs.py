"""Reads what forecasts, headroom and saved snapshots need from the cluster's database.

Each function is one read; the caller computes its answer outside of the transaction. Nothing is
written and nothing is promised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from controller.cluster.forecast.forecaster import Forecaster, ServiceRequest
from controller.cluster.unit_of_work import storage
from controller.cluster.unit_of_work.service_computes import counted_nodes, read_computes
from controller.model.compute import COMPUTE, Compute, ComputeSpec, OnNodeDown
from controller.model.flavor import ResourceFlavor
from controller.model.node import Share
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import Present, Request, Snapshot, capacity_of, headroom, sizes_of
from controller.schedule.headroom import Loss, Running
from controller.schedule.snapshot import DIMENSIONS
from controller.store import capacity, resources
from controller.store.database import Transaction


def forecaster(tx: Transaction, cluster: str, services: Sequence[ServiceRequest]) -> Forecaster:
    """Return a forecaster for those services on the cluster as it is."""
    snapshot = storage.snapshot(tx, cluster, [wanted.compute for wanted in services])
    return Forecaster(snapshot, present(tx, read_computes(tx, [wanted.service for wanted in services])))


def present(tx: Transaction, computes: Iterable[Compute]) -> dict[str, list[Present]]:
    """Return, by service, its Computes that count on a node; one that is moving has a share of two nodes."""
    here = [(each, nodes) for each in computes if (nodes := counted_nodes(each))]
    pairs = [(node, each.uid) for each, nodes in here for node in nodes]
    shares = capacity.takings(tx, pairs=pairs) if len(pairs) <= 200 else capacity.takings(tx)
    found: dict[str, list[Present]] = {}
    for each, (node, *others) in here:
        made = Present(each.spec.index, node, *sizes_of(each.spec), shares.get((node, each.uid), Share()))
        for to in others:
            made = replace(made, to=to, to_share=shares.get((to, each.uid), Share()))
        found.setdefault(each.service_path, []).append(made)
    return found


@dataclass(frozen=True)
class ForecastInputs:
    """The whole cluster at one moment."""

    snapshot: Snapshot
    computes: Sequence[Compute]
    present: Mapping[str, Sequence[Present]]


def read_inputs(tx: Transaction, cluster: str) -> ForecastInputs:
    """Read the whole cluster, for headroom and for a snapshot that is saved."""
    computes = resources.list_all(tx, COMPUTE)
    counted = [(each.service_path, node) for each in computes for node in counted_nodes(each)]
    return ForecastInputs(storage.snapshot(tx, cluster, (), counted), computes, present(tx, computes))


def report(known: ForecastInputs, flavors: Sequence[ResourceFlavor], *, everything: bool) -> dict[str, Any]:
    """Return how many more of each flavor fit, now and after the worst loss on each axis.

    Of what is lost, the Computes with ``on_node_down`` Rebuild move; with ``everything``, all of them.
    """
    snapshot = known.snapshot
    there = {(service, each.index): each for service, those in known.present.items() for each in those}
    running = [
        Running(
            Request.of(each.spec, key=f"{each.service_path}/{each.name}", service=each.service_path),
            each.facts.node,
            everything or each.spec.on_node_down is OnNodeDown.REBUILD,
            there[each.service_path, each.spec.index].to,
            there[each.service_path, each.spec.index].to_share,
        )
        for each in known.computes
        if counted_nodes(each)
    ]
    shapes = [shape_of(flavor) for flavor in flavors]
    now = headroom.fits(snapshot, shapes)
    losses = headroom.after_loss(snapshot, shapes, running)
    free = capacity_of(snapshot.free[snapshot.open].clip(min=0).sum(axis=0))
    total = capacity_of(snapshot.total[snapshot.open].sum(axis=0))
    return {
        "nodes": len(snapshot),
        "open_nodes": int(snapshot.open.sum()),
        "computes": len(running),
        "moving": "all" if everything else "rebuild",
        "dimensions": {name: {"total": getattr(total, name), "free": getattr(free, name)} for name in DIMENSIONS},
        "flavors": [
            {
                "name": flavor.name,
                "fits": now[number],
                "after_loss": {
                    axis: _loss(loss, number)
                    for axis in headroom.AXES
                    if (loss := headroom.worst(losses, axis, number)) is not None
                },
            }
            for number, flavor in enumerate(flavors)
        ],
    }


def shape_of(flavor: ResourceFlavor) -> Request:
    """Return the request for a Compute of the flavor, of no service."""
    spec = ComputeSpec.model_construct(
        index=0,
        sizes=flavor.spec.sizes,
        provider=flavor.spec.provider,
        disks=(),
        schedule_policy=SchedulePolicy(),
    )
    return Request.of(spec, key=flavor.name, service="")


def _loss(loss: Loss, shape: int) -> dict[str, Any]:
    return {
        "domain": loss.domain,
        "fits": loss.fits[shape],
        "nodes": loss.nodes,
        "moved": loss.moved,
        "unplaced": loss.unplaced,
        "staying": loss.staying,
    }
