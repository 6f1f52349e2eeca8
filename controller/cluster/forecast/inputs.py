"""What the cluster's database knows, for questions about the future: forecasts, headroom, snapshots.

Each function here is one read; what is made of it is computed by the caller outside of the
transaction. Nothing is written and nothing is promised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from controller.cluster.forecast.forecaster import Forecaster, Wish
from controller.cluster.unit_of_work import plan_store
from controller.model.compute import COMPUTE, Compute, ComputeSpec, OnNodeDown
from controller.model.flavor import ResourceFlavor
from controller.model.node import Share
from controller.model.schedule_policy import SchedulePolicy
from controller.schedule import Present, Request, Snapshot, capacity_of, headroom, sizes_of
from controller.schedule.headroom import Loss, Running
from controller.schedule.snapshot import DIMENSIONS
from controller.store import capacity, resources
from controller.store.database import Transaction

_FEW = 16


def forecaster(tx: Transaction, cluster: str, wishes: Sequence[Wish]) -> Forecaster:
    """Answers those wishes from the cluster as it is."""
    snapshot = plan_store.snapshot(tx, cluster, [wish.compute for wish in wishes])
    return Forecaster(snapshot, present(tx, _computes(tx, wishes)))


def present(tx: Transaction, computes: Iterable[Compute]) -> dict[str, list[Present]]:
    """Service to its Computes that have a node and are to stay; one that is moving has a share of two."""
    here = [each for each in computes if _is_here(each)]
    pairs = [(place, each.uid) for each in here for place in _places(each)]
    shares = capacity.takings(tx, pairs=pairs) if len(pairs) <= 200 else capacity.takings(tx)
    found: dict[str, list[Present]] = {}
    for each in here:
        node, *others = _places(each)
        made = Present(each.spec.index, node, *sizes_of(each.spec), shares.get((node, each.uid), Share()))
        for to in others:
            made = replace(made, to=to, to_share=shares.get((to, each.uid), Share()))
        found.setdefault(each.service_path, []).append(made)
    return found


@dataclass(frozen=True)
class Outlook:
    """The whole cluster at one moment."""

    snapshot: Snapshot
    computes: Sequence[Compute]
    present: Mapping[str, Sequence[Present]]


def whole(tx: Transaction, cluster: str) -> Outlook:
    """Everything: for headroom and for a snapshot that is saved."""
    computes = cast(list[Compute], resources.list_all(tx, COMPUTE))
    standing = [(each.service_path, place) for each in computes if _is_here(each) for place in _places(each)]
    return Outlook(plan_store.snapshot(tx, cluster, (), standing), computes, present(tx, computes))


def report(outlook: Outlook, flavors: Sequence[ResourceFlavor], *, everything: bool) -> dict[str, Any]:
    """How many more of each flavor fit, now and after the worst loss on each axis.

    What was lost counts as moving where its ``on_node_down`` is Rebuild, or all of it.
    """
    snapshot = outlook.snapshot
    there = {(service, each.index): each for service, those in outlook.present.items() for each in those}
    running = [
        Running(
            Request.of(each.spec, key=f"{each.service_path}/{each.name}", service=each.service_path),
            str(each.observed["node"]),
            everything or each.spec.on_node_down is OnNodeDown.REBUILD,
            there[each.service_path, each.spec.index].to,
            there[each.service_path, each.spec.index].to_share,
        )
        for each in outlook.computes
        if _is_here(each)
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
    """A Compute of the flavor, of no service."""
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


def _computes(tx: Transaction, wishes: Sequence[Wish]) -> list[Compute]:
    services = {wish.service: wish.compute for wish in wishes}
    if len(services) > _FEW:
        return [each for each in cast(list[Compute], resources.list_all(tx, COMPUTE)) if each.service_path in services]
    return [
        each
        for sample in services.values()
        for each in resources.list_all(
            tx,
            COMPUTE,
            parents=(sample.region,),
            project=sample.project,
            fields={"spec.service": sample.spec.service},
        )
    ]


def _places(compute: Compute) -> list[str]:
    """Its node, and the one that it is moving to: it may end on either."""
    return [str(place) for place in map(compute.observed.get, ("node", "migrating_to")) if place]


def _is_here(compute: Compute) -> bool:
    return bool(compute.observed.get("node")) and not compute.is_deleting
