"""From a service's template to the spec of one Compute: pure, once ``load_template`` has read flavor and image.

The flavor's sizes, the image and the addresses are copied into the ComputeSpec, so that a cluster
needs nothing else to run it. What an operator asked of the one machine (power, reboots,
migration) is kept from the previous spec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from controller.model.compute import Compute, ComputeSpec, Disk, Interface
from controller.model.fields import Change, facts
from controller.model.flavor import RESOURCE_FLAVOR, ResourceFlavor
from controller.model.image import IMAGE, Image
from controller.model.network import NetworkV4, NetworkV4Port
from controller.model.region_service import RegionService
from controller.model.volume import Volume
from controller.store import resources
from controller.store.database import Transaction

OPERATOR_FIELDS = ("power", "reboots", "migrations", "migrate_to", "rebalance")
"""Fields of a ComputeSpec that are asked of the one machine, not of the service."""


class Effort(StrEnum):
    """What bringing a machine to a new spec takes of it."""

    NONE = "none"
    LIVE = "live"
    RESTART = "restart"
    RECREATE = "recreate"


_EFFORTS = (Effort.NONE, Effort.LIVE, Effort.RESTART, Effort.RECREATE)


@dataclass(frozen=True)
class Template:
    """Everything that the Computes of one service share."""

    service: RegionService
    cluster: str
    flavor: ResourceFlavor
    image: Image

    def compute_name(self, index: int) -> str:
        """``<service>-<index>``"""
        return f"{self.service.name}-{index}"

    def compute_spec(
        self,
        index: int,
        interfaces: Sequence[Interface],
        volumes: Sequence[Volume] = (),
        before: ComputeSpec | None = None,
    ) -> ComputeSpec:
        """Spec of the Compute of that index; ``before`` is the spec that it has now."""
        wanted = self.service.spec.compute
        name = self.compute_name(index)
        extra = [Disk(name=volume.name, size_gib=volume.spec.size_gib) for volume in volumes]
        kept: dict[str, Any] = {}
        if before is not None:
            kept = {name: getattr(before, name) for name in OPERATOR_FIELDS}
        return ComputeSpec(
            service=self.service.name,
            index=index,
            host_name=f"{name}.{self.service.project}.{self.service.region}",
            cluster=self.cluster,
            provider=self.flavor.spec.provider,
            sizes=self.flavor.spec.sizes,
            image=self.image.spec,
            interfaces=tuple(interfaces),
            disks=(*wanted.disks, *extra),
            ssh_keys=wanted.ssh_keys,
            user_data=wanted.user_data,
            schedule_policy=wanted.schedule_policy,
            shutdown_timeout=wanted.shutdown_timeout,
            on_node_down=wanted.on_node_down,
            on_node_up=wanted.on_node_up,
            **kept,
        )

    def compute(self, index: int, spec: ComputeSpec) -> Compute:
        """A Compute that is still to be written."""
        return Compute(
            name=self.compute_name(index),
            region=self.service.region,
            project=self.service.project,
            labels=self.service.labels,
            spec=spec,
            revision=self.service.revision,
            max_revision_history=self.service.max_revision_history,
        )


def interface(network: NetworkV4, port: NetworkV4Port) -> Interface:
    """The interface that has ``port`` of ``network``."""
    return Interface(
        network=network.name,
        address=port.spec.address,
        prefix_length=network.spec.subnet.prefixlen,
        gateway=network.spec.gateway,
        mac=port.spec.mac,
    )


def effort(before: BaseModel, after: BaseModel) -> Effort:
    """The strongest change among the fields that differ, by what each field says of itself.

    Objects inside are compared field by field; lists count as the field that holds them.
    """
    strongest = Effort.NONE
    for name, info in type(before).model_fields.items():
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        found = effort(old, new) if isinstance(old, BaseModel) and type(old) is type(new) else _declared(info)
        strongest = max(strongest, found, key=_EFFORTS.index)
    return strongest


def _declared(info: FieldInfo) -> Effort:
    change = facts(info).get("x-change", Change.LIVE)
    return {Change.LIVE: Effort.LIVE, Change.RESTART: Effort.RESTART}.get(Change(change), Effort.RECREATE)


def load_template(tx: Transaction, service: RegionService, cluster: str) -> Template:
    """Return the service's template with its flavor and image. Raises NotFound."""
    wanted = service.spec.compute
    flavor = resources.get(tx, RESOURCE_FLAVOR.key(wanted.flavor))
    picture = resources.get(tx, IMAGE.key(service.region, wanted.image))
    return Template(service, cluster, flavor, picture)
