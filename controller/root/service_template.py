"""Makes the spec of one Compute from the template of its service. Pure, after ``load_template`` has read the inputs.

The sizes of the flavor, the image and the addresses are copied into the ComputeSpec, so that a cluster needs nothing
else to run it. What an operator asked of the single machine (power, reboots, migration) is kept from the previous spec.
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
"""Fields of a ComputeSpec that operators set on the single machine, not on the service."""


class Effort(StrEnum):
    """What a machine has to go through to get a new spec."""

    NONE = "none"
    LIVE = "live"
    RESTART = "restart"
    RECREATE = "recreate"


_EFFORTS = (Effort.NONE, Effort.LIVE, Effort.RESTART, Effort.RECREATE)


@dataclass(frozen=True)
class Template:
    """What the Computes of one service have in common."""

    service: RegionService
    cluster: str
    flavor: ResourceFlavor
    image: Image

    def compute_name(self, index: int) -> str:
        """Return the name of a Compute: ``<service>-<index>``."""
        return f"{self.service.name}-{index}"

    def compute_spec(
        self,
        index: int,
        interfaces: Sequence[Interface],
        volumes: Sequence[Volume] = (),
        before: ComputeSpec | None = None,
    ) -> ComputeSpec:
        """Return the spec of the Compute of that index; ``before`` is its present spec."""
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
        """Return a Compute that is not stored yet."""
        made = Compute(
            name=self.compute_name(index),
            region=self.service.region,
            project=self.service.project,
            spec=spec,
            revision=self.service.revision,
            max_revision_history=self.service.max_revision_history,
        )
        # Not validated again: the service was, by the rules of the time when it was stored.
        return made.model_copy(update={"labels": dict(self.service.labels)})


def interface(network: NetworkV4, port: NetworkV4Port) -> Interface:
    """Return the interface with the address of ``port`` in ``network``."""
    return Interface(
        network=network.name,
        address=port.spec.address,
        prefix_length=network.spec.subnet.prefixlen,
        gateway=network.spec.gateway,
        mac=port.spec.mac,
    )


def effort(before: BaseModel, after: BaseModel) -> Effort:
    """Return the largest effort among the fields that differ, as each field declares it.

    Nested objects are compared field by field. A list counts as one field.
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
