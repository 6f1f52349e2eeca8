"""The Computes of a service, and the nodes on which each of them counts for the rules of the service.

Placement, forecasts, previews of moves and the desired state of an owner all read them here.
"""

from __future__ import annotations

from collections.abc import Collection

from controller.model.compute import COMPUTE, Compute
from controller.model.envelope import Status
from controller.store import resources
from controller.store.database import Transaction

_FEW = 16
"""Up to so many services are read one by one; for more, one statement reads every Compute."""
_DELETING = (Status.DELETING, Status.DELETING_SCHEDULED)


def read_computes(tx: Transaction, services: Collection[str]) -> list[Compute]:
    """Return the Computes of the services, given as ``project/region/name``; the deleting ones too."""
    wanted = set(services)
    if len(wanted) > _FEW:
        return [each for each in resources.list_all(tx, COMPUTE) if each.service_path in wanted]
    found: list[Compute] = []
    for project, region, name in (path.split("/") for path in dict.fromkeys(services)):
        found += resources.list_all(tx, COMPUTE, parents=(region,), project=project, fields={"spec.service": name})
    return found


def counted_nodes(compute: Compute) -> tuple[str, ...]:
    """Return the nodes on which a Compute counts, its own first; see ``_counted``."""
    return _counted(compute.status, compute.facts.node, compute.facts.migrating_to)


def read_counted(tx: Transaction, services: Collection[str]) -> list[tuple[str, str]]:
    """Return (service, node) for each node on which a Compute of these services counts.

    Reads the facts without the Computes: there may be very many.
    """
    if not services:
        return []
    counted: list[tuple[str, str]] = []
    fields = ("project", "region", "spec.service", "status", "observed.node", "observed.migrating_to")
    for project, region, name, status, node, target in resources.texts(tx, COMPUTE.name, fields, given="observed.node"):
        service = f"{project}/{region}/{name}"
        if service in services:
            counted += [(service, each) for each in _counted(status, node, target)]
    return counted


def _counted(status: str | None, node: str | None, migrating_to: str | None) -> tuple[str, ...]:
    """Return its node, and the one that it is moving to: it may end on either.

    One that has no node or is being deleted counts on none.
    """
    if not node or status in _DELETING:
        return ()
    return (node, migrating_to) if migrating_to else (node,)
