"""A cluster on one event loop: real gRPC with mutual TLS, a real database, simulated agents.

The test plays the root: it sends desired states and reads what is observed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from controller.agent.simulate import Simulation, Simulator
from controller.clock import SystemClock
from controller.cluster import api_process, controller_process
from controller.cluster.settings import ClusterApiSettings, ClusterControllerSettings
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.model.compute import COMPUTE, Compute
from controller.model.node import NODE, Capacity, Node
from controller.model.registry import AnyResource
from controller.pki import ROOT, AuthorityTree, CredentialFolder, Identity, cluster_scope, server_name
from controller.rpc import Channels, translated
from controller.store import resources
from controller.store.database import Database
from controller.wire import cluster_pb2
from controller.wire.cluster_pb2_grpc import ClusterServiceStub

CLUSTER = "tokyo1"


def compute(name: str, **spec: Any) -> Compute:
    """A desired Compute ``<service>-<index>``."""
    service, _, index = name.rpartition("-")
    given = {
        "service": service,
        "index": int(index),
        "host_name": f"{name}.default.kanto",
        "cluster": CLUSTER,
        "provider": "memory",
        "sizes": {"vcpus": 1, "memory_mib": 256, "disk_gib": 1},
        "image": {"url": "file:///srv/guest.qcow2", "checksum": "sha256:" + "0" * 64},
        **spec,
    }
    return Compute.model_validate(
        {"name": name, "region": "kanto", "uid": hashlib.sha256(name.encode()).hexdigest()[:32], "spec": given}
    )


def node(name: str, rack: str, *, registered: bool = False, **spec: Any) -> Node:
    """A desired node; ``registered``: the root remembers that its agent was there."""
    zones = {"datacenter": "tokyo", "power": rack, "network": "leaf", "rack": rack, "node": name}
    given = {"providers": ("memory",), **spec}
    observed = {"zones": zones, **({"registered": True} if registered else {})}
    return Node.model_validate({"name": name, "cluster": CLUSTER, "spec": given, "observed": observed})


class Site:
    """Starts and ends processes; ``root`` sends desired states."""

    def __init__(self, folder: Path, url: str, database: Database) -> None:
        self.folder = folder
        self.url = url
        self.database = database
        self.tree = AuthorityTree(folder / "authorities", clock=SystemClock())
        self.authority = self.tree.scope_folder(cluster_scope(CLUSTER))
        self.tree.issue(Identity(ROOT, "resource-controller", "root1"), folder / "root")
        self.channels = Channels(CredentialFolder(folder / "root"))
        self.term = 1
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def address(self, name: str = "api1") -> str:
        return f"unix:{self.folder}/{name}.sock"

    def start_api(self, name: str = "api1", **settings: Any) -> None:
        made = ClusterApiSettings.model_validate({**self._common(name), "election": {"lease_seconds": 2.0}, **settings})
        self._tasks[name] = asyncio.create_task(api_process.main(made))

    def start_controller(self, name: str = "controller1", api: str = "api1", **settings: Any) -> None:
        made = ClusterControllerSettings.model_validate(
            {
                **self._common(name),
                "api": {"target": self.address(api)},
                "election": {"lease_seconds": 2.0},
                **settings,
            }
        )
        self._tasks[name] = asyncio.create_task(controller_process.main(made))

    def start_agents(self, count: int, *, prefix: str = "node-", first: int = 0, api: str = "api1") -> Simulator:
        simulator = Simulator(
            Simulation(
                count,
                self.address(api),
                CLUSTER,
                self.authority,
                prefix=prefix,
                first=first,
                heartbeat=0.5,
                ramp=0.0,
                capacity=Capacity(vcpus=4, memory_mib=4096, disk_gib=40),
            )
        )
        self._tasks[f"{prefix}{first}"] = asyncio.create_task(simulator.run())
        return simulator

    async def stop(self, name: str) -> None:
        task = self._tasks.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def close(self) -> None:
        for name in reversed(list(self._tasks)):
            await self.stop(name)
        await self.channels.close()

    async def send_desired(
        self, owner: str, documents: Iterable[AnyResource], *, gone: bool = False, deleted: Iterable[Compute] = ()
    ) -> str:
        """Send the whole of what is wanted of an owner, and what a user deleted; returns its digest."""
        texts = [each.model_dump_json().encode() for each in documents]
        digest = hashlib.sha256(b"".join(texts)).hexdigest()
        state = cluster_pb2.OwnerState(owner=owner, digest=digest, documents=texts, gone=gone)
        state.deleted_uids.extend(each.uid for each in deleted)
        with translated("cluster"):
            await self.stub().Sync(iter([cluster_pb2.SyncChunk(term=self.term, owners=[state])]), timeout=60)
        return digest

    async def send_nodes(self, count: int, *, racks: int = 2, registered: bool = False) -> None:
        for number in range(count):
            wanted = node(f"node-{number}", f"rack-{number % racks}", registered=registered)
            await self.send_desired(f"Node {CLUSTER}/node-{number}", [wanted])

    async def observe(self, since: int = 0) -> AsyncIterator[cluster_pb2.ObservedBatch]:
        async for batch in self.stub().Observe(cluster_pb2.ObserveRequest(since=since)):
            yield batch

    def stub(self, api: str = "api1") -> Any:
        name = server_name(cluster_scope(CLUSTER), "cluster-api")
        return ClusterServiceStub(self.channels.get(self.address(api), name))

    def computes(self) -> dict[str, Compute]:
        rows = self.database.read(lambda tx: resources.list_all(tx, COMPUTE))
        return {row.name: row for row in rows}

    def nodes(self) -> dict[str, Node]:
        rows = self.database.read(lambda tx: resources.list_all(tx, NODE))
        return {row.name: row for row in rows}

    def assignments(self) -> list[Assignment]:
        return self.database.read(lambda tx: resources.list_all(tx, ASSIGNMENT))

    def statuses(self) -> dict[str, str]:
        return {name: each.status for name, each in self.computes().items()}

    def _common(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "cluster": CLUSTER,
            "listen": self.address(name),
            "health": f"unix:{self.folder}/{name}-health.sock",
            "heartbeat_seconds": 0.5,
            "drain_seconds": 1.0,
            "tls": {"folder": str(self.folder / "tls" / name), "authority": str(self.authority)},
            "database": {"url": self.url},
        }


def documents(batch: cluster_pb2.ObservedBatch) -> list[dict[str, Any]]:
    """The documents of a message."""
    return [json.loads(text) for text in batch.documents]
