"""A RegionService with everything that belongs to it, as one transaction reads it."""

from __future__ import annotations

from dataclasses import dataclass

from controller.model import loadbalancer
from controller.model.compute import COMPUTE, Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.region_service import RegionService
from controller.model.registry import Key, Kind, T
from controller.model.volume import VOLUME, Volume
from controller.store import resources
from controller.store.database import Transaction


@dataclass
class ServiceState:
    """A service with its parts, as read in one transaction."""

    service: RegionService
    computes: list[Compute]
    """In index order, those that are being deleted included."""
    loadbalancer: Loadbalancer | None
    volumes: list[Volume]
    waiting: tuple[int, ...] = ()
    """Indices that a rolling update has not reached yet."""

    @property
    def cluster(self) -> str:
        """Return the cluster that was chosen; empty before the choice."""
        return self.service.facts.cluster

    @property
    def alive(self) -> list[Compute]:
        """Return the Computes that are not being deleted, in index order."""
        return [item for item in self.computes if not item.is_deleting]

    def volumes_of(self, index: int) -> list[Volume]:
        """Return the Volumes attached to the Compute of that index, by name."""
        return [item for item in self.volumes if item.spec.attachment.index == index]


def load(tx: Transaction, key: Key[RegionService]) -> ServiceState | None:
    """Return a service with its parts; None if it does not exist."""
    service = resources.find(tx, key)
    if service is None:
        return None

    def parts(kind: Kind[T]) -> list[T]:
        parents, fields = (service.region,), {kind.service_field: service.name}
        return resources.list_all(tx, kind, parents=parents, project=service.project, fields=fields)

    balancer = resources.find(tx, loadbalancer_key(service))
    return ServiceState(
        service,
        sorted(parts(COMPUTE), key=lambda item: item.spec.index),
        balancer,
        sorted(parts(VOLUME), key=lambda item: item.name),
    )


def loadbalancer_key(service: RegionService) -> Key[Loadbalancer]:
    """Return the key of the service's Loadbalancer, which has the service's name."""
    return loadbalancer.LOADBALANCER.key(service.region, service.name, project=service.project)
