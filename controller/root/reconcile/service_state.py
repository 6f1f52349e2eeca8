"""A RegionService with everything that belongs to it, as one transaction reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from controller.model import loadbalancer
from controller.model.compute import Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource, Key
from controller.model.volume import Volume
from controller.store import resources
from controller.store.database import Transaction


@dataclass
class ServiceState:
    """A service with all that it is made of, as read in one transaction."""

    service: RegionService
    computes: list[Compute]
    """In index order, those that are leaving included."""
    loadbalancer: Loadbalancer | None
    volumes: list[Volume]
    waiting: tuple[int, ...] = ()
    """Indices that a rolling update has still to reach."""

    @property
    def cluster(self) -> str:
        """The cluster that was chosen; empty before."""
        return str(self.service.observed.get("cluster", ""))

    @property
    def alive(self) -> list[Compute]:
        """Computes that are not being deleted, in index order."""
        return [item for item in self.computes if not item.is_deleting]

    def volumes_of(self, index: int) -> list[Volume]:
        """Volumes attached to the Compute of that index, by name."""
        return [item for item in self.volumes if item.spec.attachment.index == index]


def load(tx: Transaction, key: Key[RegionService]) -> ServiceState | None:
    """Read a service and what it is made of; None when it is gone."""
    service = resources.find(tx, key)
    if service is None:
        return None

    def owned(kind: str, path: str) -> list[AnyResource]:
        parents, fields = (service.region,), {path: service.name}
        return resources.list_all(tx, kind, parents=parents, project=service.project, fields=fields)

    found, volumes = owned("Compute", "spec.service"), owned("Volume", "spec.attachment.service")
    balancer = resources.find(tx, loadbalancer_key(service))
    return ServiceState(
        service,
        sorted(cast(list[Compute], found), key=lambda item: item.spec.index),
        balancer,
        sorted(cast(list[Volume], volumes), key=lambda item: item.name),
    )


def loadbalancer_key(service: RegionService) -> Key[Loadbalancer]:
    """Key of the service's Loadbalancer: it has the service's name."""
    return loadbalancer.LOADBALANCER.key(service.region, service.name, project=service.project)
