"""A small site in a database, and a cluster played by hand, for tests of the root controller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from controller.model import document
from controller.model.cluster import CLUSTER, Cluster
from controller.model.compute import COMPUTE, Compute
from controller.model.envelope import RequestMethod, Status
from controller.model.network import NETWORK_V4_PORT
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import AnyResource, key_of
from controller.root.reconcile import desired_state, service_reconciler, service_state
from controller.root.reconcile.cluster_view import ClusterView
from controller.root.reconcile.service_reconciler import Next
from controller.store import resources, revisions
from controller.store.database import Database

KEY = REGION_SERVICE.key("kanto", "web")
POWER = {"axis": "power", "mode": "AntiAffinity"}
DOCUMENTS: Sequence[dict[str, Any]] = (
    {"kind": "Region", "name": "kanto", "spec": {}},
    {"kind": "Datacenter", "name": "tokyo", "spec": {}},
    {"kind": "Cluster", "name": "tokyo1", "spec": {"region": "kanto", "datacenter": "tokyo"}},
    {"kind": "Provider", "name": "libvirt", "spec": {"provides": "VirtualMachine", "driver": "Libvirt"}},
    {
        "kind": "ResourceFlavor",
        "name": "small",
        "spec": {"provider": "libvirt", "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1}},
    },
    {
        "kind": "Image",
        "name": "guest",
        "region": "kanto",
        "spec": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
    },
    {
        "kind": "NetworkV4",
        "name": "service",
        "cluster": "tokyo1",
        "spec": {
            "subnet": "172.16.10.0/24",
            "gateway": "172.16.10.1",
            "start_address": "172.16.10.10",
            "end_address": "172.16.10.15",
        },
    },
)


class Site:
    """The documents above, a service ``web``, and what the cluster would say."""

    def __init__(self, db: Database, endpoint: str = "") -> None:
        self.db = db
        self.view = ClusterView(whole=True)
        parsed = [document.parse(raw) for raw in DOCUMENTS]
        placed = [_with_endpoint(row, endpoint) if isinstance(row, Cluster) else row for row in parsed]
        db.write(lambda tx: resources.insert(tx, placed))

    # --- what users do

    def put(self, replicas: int = 3, **compute: Any) -> None:
        """Create or replace the service, as the API does: a revision each time."""
        template = {"flavor": "small", "image": "guest", "schedule_policy": {"rules": [POWER]}, **compute}
        self.put_spec({"replicas": replicas, "compute": template})

    def put_spec(self, spec: dict[str, Any]) -> None:
        raw = {"kind": "RegionService", "name": "web", "region": "kanto", "spec": spec}
        asked = cast(RegionService, document.parse(raw))

        def write(tx: Any) -> None:
            before = resources.find(tx, KEY)
            if before is None:
                made = resources.insert(tx, [asked.model_copy(update={"status": Status.INITIALIZING.value})])[0]
            else:
                changed = {
                    "spec": asked.spec,
                    "revision": before.revision + 1,
                    "request_method": RequestMethod.UPDATE,
                    "status": Status.UPDATING.value,
                }
                made = resources.update(tx, [before.model_copy(update=changed)])[0]
            revisions.add(tx, made)

        self.db.write(write)

    def delete(self) -> None:
        """Ask for the service to be deleted."""
        self._update(self.service(), status=Status.DELETING.value, request_method=RequestMethod.DELETE)

    def _update(self, row: AnyResource, **update: Any) -> None:
        self.db.write(lambda tx: resources.update(tx, [row.model_copy(update=update)]))

    # --- what the controller does

    def advance(self) -> Next:
        """One step; chooses tokyo1 when asked to."""
        step = self.db.write(lambda tx: service_reconciler.advance(tx, KEY, {"tokyo1": self.view}))
        if step is Next.CHOOSE_CLUSTER:
            self.db.write(lambda tx: service_reconciler.assign(tx, KEY, self.service().uid, "tokyo1"))
            return self.advance()
        return step

    # --- what the cluster says

    def cluster_takes_in(self) -> None:
        """The wish as it is now has arrived, and the Observe stream says so; machines still to go stay listed."""
        state = self.db.read(lambda tx: service_state.load(tx, KEY))
        assert state is not None
        owner = desired_state.service_owner(state.service, state.computes, state.loadbalancer)
        self.view.digests[owner.name] = owner.digest
        self.view.present |= {str(key_of(item)) for item in state.alive}

    def cluster_removed(self, *names: str) -> None:
        """The cluster lists these Computes no longer."""
        self.view.present -= {f"Compute default/kanto/{name}" for name in names}

    def cluster_says(self, status: Status, *names: str, reason: str = "") -> None:
        """The Computes (all by default) have that status; written as the observer would."""
        rows = [row for row in self.computes() if not names or row.name in names]
        for row in rows:
            self._update(row, status=status.value, status_reason=reason)

    # --- what is there

    def service(self) -> RegionService:
        return self.db.read(lambda tx: resources.get(tx, KEY))

    def cluster_row(self) -> AnyResource:
        return self.db.read(lambda tx: resources.get(tx, CLUSTER.key("tokyo1")))

    def exists(self) -> bool:
        return self.db.read(lambda tx: resources.find(tx, KEY)) is not None

    def computes(self) -> list[Compute]:
        found = self.db.read(lambda tx: resources.list_all(tx, COMPUTE))
        return sorted(found, key=lambda item: item.spec.index)

    def names(self) -> list[str]:
        return [item.name for item in self.computes()]

    def alive(self) -> list[str]:
        return [item.name for item in self.computes() if not item.status.startswith("Deleting")]

    def addresses(self) -> list[str]:
        """Addresses that are taken, lowest first."""
        rows = self.db.read(lambda tx: resources.list_all(tx, NETWORK_V4_PORT))
        return sorted(str(row.spec.address) for row in rows)


def _with_endpoint(row: Cluster, endpoint: str) -> Cluster:
    return row.model_copy(update={"spec": row.spec.model_copy(update={"endpoint": endpoint})})
