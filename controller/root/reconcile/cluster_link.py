"""The root's side of one cluster: wishes go down, observations come up (H5).

Two tasks: a batch loop that sends the owners whose wish differs from what the cluster has, and
a reader of the Observe stream. Both begin anew after a lost connection: the reader with a whole
snapshot, the sender with the digests that the cluster has. Every message carries the master's term;
a cluster refuses lower ones.

Ordering: an observation is in the database before the ``view`` shows it, and before services are
woken by it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import structlog

from controller.clock import Clock
from controller.errors import ResourceError, StaleTerm, Unavailable
from controller.loop import Backoff, BatchLoop
from controller.model.cluster import CLUSTER
from controller.model.envelope import State, Status
from controller.model.registry import AnyResource, key_of
from controller.root.cluster_peer import CALL_DEADLINE, ClusterPeer
from controller.root.reconcile import desired_state, desired_state_reader, observed_state
from controller.root.reconcile.cluster_view import ClusterView
from controller.root.reconcile.cost_throttle import Patience
from controller.store import changes, resources, schema
from controller.store.database import Database, Fence, Transaction
from controller.wire import cluster_pb2

_RETRY = Backoff(first=0.2, cap=5.0)
OWNERS_PER_CALL = 200


class ClusterLink:
    """Connection, sender and reader of one cluster; ``run`` until cancelled."""

    def __init__(
        self,
        name: str,
        peer: ClusterPeer,
        db: Database,
        fence: Fence,
        clock: Clock,
        changed: Callable[[Iterable[str]], None],
    ) -> None:
        """``changed`` is told the ``str(key)`` of Computes and Loadbalancers of which something was
        seen, and of services whose wish was taken in."""
        self.name = name
        self.view = ClusterView()
        self._peer = peer
        self._db = db
        self._fence = fence
        self._clock = clock
        self._changed = changed
        self._patience = Patience(clock)
        self._known: dict[str, str] | None = None
        self._since = 0
        self._random = random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._log = structlog.get_logger("link").bind(cluster=name)
        self.sender = BatchLoop(
            f"sync {name}", self._send, clock=clock, keys=self._owners, gather=0.02, resync=60.0, backoff=_RETRY
        )

    async def run(self) -> None:
        """Send and read until cancelled; raises StaleTerm when the term was superseded."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.sender.run())
            tasks.create_task(self._read_forever())

    def wake(self, owner: str) -> None:
        """Look at an owner's wish again: soon, or when it is its turn if that costs much."""
        self.sender.wake(owner, after=self._patience.pause(owner))

    def known_owners(self) -> list[str]:
        """Owners of which the cluster has a wish, as far as known."""
        return list(self._known or ())

    async def _owners(self) -> list[str]:
        """Every owner there is, here or there: the resync."""
        self._known = None
        here = await self._db.aread(lambda tx: desired_state_reader.names(tx, self.name))
        there = await self._digests()
        return list({*here, *there})

    async def _digests(self) -> dict[str, str]:
        if self._known is None:
            known: dict[str, str] = {}
            with self._peer.calling() as stub:
                async for batch in stub.Digests(cluster_pb2.DigestsRequest(), timeout=CALL_DEADLINE):
                    known.update(batch.digests)
            self._known = known
        return self._known

    async def _send(self, names: frozenset[str]) -> None:
        known = await self._digests()
        with self._patience.looking(names):
            version, wishes = await self._db.aread(
                lambda tx: (changes.head(tx), desired_state_reader.wishes(tx, self.name, names))
            )
        different = [
            wish for wish in wishes if (wish.name in known if wish.gone else known.get(wish.name) != wish.digest)
        ]
        for start in range(0, len(different), OWNERS_PER_CALL):
            part = different[start : start + OWNERS_PER_CALL]
            await self._sync(part, version)
            for wish in part:
                if wish.gone:
                    known.pop(wish.name, None)
                else:
                    known[wish.name] = wish.digest
        arrived = [wish.name for wish in wishes if not wish.gone and wish.name.startswith("RegionService ")]
        if arrived:
            sent = {wish.name: wish for wish in wishes}
            await self._db.awrite(lambda tx: _scheduled(tx, sent, arrived), fence=self._fence)

    async def _sync(self, part: list[desired_state.Owner], version: int) -> None:
        try:
            with self._peer.calling() as stub:
                await stub.Sync(
                    iter(desired_state.chunks(part, await self._site(), self._fence.term, version)),
                    timeout=CALL_DEADLINE,
                )
        except ResourceError:
            self._known = None  # what was applied is not known: ask before sending again
            raise

    async def _announce(self) -> None:
        """Tell the cluster our term even with nothing to send: what an older master sent late is refused then."""
        with self._peer.calling() as stub:
            hello = cluster_pb2.SyncChunk(site=await self._site(), term=self._fence.term)
            await stub.Sync(iter([hello]), timeout=CALL_DEADLINE)

    async def _site(self) -> str:
        return await self._db.aread(lambda tx: schema.site(tx.connection))

    async def _read_forever(self) -> None:
        failures = 0
        while True:
            started = self._clock.monotonic()
            try:
                await self._read()
                error: ResourceError = Unavailable(f"cluster {self.name} ended the stream")
            except StaleTerm:
                raise
            except ResourceError as trouble:
                error = trouble
            if self._clock.monotonic() - started > 10:
                failures = 0
            failures += 1
            pause = _RETRY.delay(failures, self._random)
            self._log.info("observe lost", error=error.message, retry_in=pause)
            if failures == 3:
                await self._note_state(State.UNKNOWN, error.message)
            await self._clock.sleep(pause)

    async def _read(self) -> None:
        request = cluster_pb2.ObserveRequest(since=self._since if self.view.whole else 0)
        snapshot: _Snapshot | None = None
        first = True
        with self._peer.calling() as stub:
            async for message in stub.Observe(request):
                if first:
                    first = False
                    await self._announce()
                    self.sender.wake(*await self._owners())
                    await self._note_state(State.UP, "")
                if message.snapshot and snapshot is None:
                    snapshot = _Snapshot()
                await self._take(message, snapshot)
                if message.snapshot_end:
                    snapshot = None
                if message.version:
                    # Lower than before when the cluster's database was replaced: from there the stream goes on.
                    self._since = message.version

    async def _take(self, message: cluster_pb2.ObservedBatch, snapshot: _Snapshot | None) -> None:
        """First the database, then the view, then those who wait for it."""
        batch = observed_state.parse(self.name, message.documents, message.deleted)
        if batch.resources or batch.deleted:
            await self._db.awrite(partial(observed_state.apply, batch=batch), fence=self._fence)
        touched = _take_in(self.view if snapshot is None else snapshot.view, batch, message)
        if snapshot is not None:
            snapshot.listed.update(str(key_of(row)) for row in batch.resources)
            if message.snapshot_end:
                forget = partial(observed_state.forget_unlisted, cluster=self.name, listed=snapshot.listed)
                await self._db.awrite(forget, fence=self._fence)
                snapshot.view.whole = True
                self.view = snapshot.view
        self._changed([*touched, *message.digests])

    async def _note_state(self, state: State, reason: str) -> None:
        def write(tx: Transaction) -> None:
            row = resources.find(tx, CLUSTER.key(self.name))
            if row is not None and (row.state, row.state_reason) != (state, reason):
                resources.update(tx, [row.model_copy(update={"state": state.value, "state_reason": reason})])

        await self._db.awrite(write, fence=self._fence)

    async def note_capacity(self) -> None:
        """Write the cluster's free capacity into its row, for the order of J9."""
        with self._peer.calling() as stub:
            reply = await stub.Capacity(cluster_pb2.CapacityRequest(), timeout=CALL_DEADLINE)
        observed = {
            "nodes": reply.nodes,
            "free": _amounts(reply.free_vcpus, reply.free_memory_mib, reply.free_disk_gib),
            "total": _amounts(reply.total_vcpus, reply.total_memory_mib, reply.total_disk_gib),
        }

        def write(tx: Transaction) -> None:
            row = resources.find(tx, CLUSTER.key(self.name))
            if row is not None and row.observed != observed:
                resources.update(tx, [row.model_copy(update={"observed": observed})])

        await self._db.awrite(write, fence=self._fence)


@dataclass
class _Snapshot:
    """A whole state that is still arriving."""

    view: ClusterView = field(default_factory=ClusterView)
    listed: set[str] = field(default_factory=set)


def _take_in(view: ClusterView, batch: observed_state.Batch, message: cluster_pb2.ObservedBatch) -> set[str]:
    touched = {str(key_of(row)) for row in batch.resources if row.kind in observed_state.LISTED}
    gone = {str(key) for key in batch.deleted if key.kind in observed_state.LISTED}
    view.present |= touched
    view.present -= gone
    for owner, digest in message.digests.items():
        if digest:
            view.digests[owner] = digest
        else:
            view.digests.pop(owner, None)
    return touched | gone


def _scheduled(tx: Transaction, sent: dict[str, desired_state.Owner], names: list[str]) -> None:
    """What the cluster has been told of is scheduled there (K5), unless more was already seen."""
    follow = {
        Status.INITIALIZING: Status.CREATING_SCHEDULED,
        Status.CREATING: Status.CREATING_SCHEDULED,
        Status.UPDATING: Status.UPDATING_SCHEDULED,
    }
    changed = []
    for state in desired_state_reader.states(tx, names):
        owner = desired_state.service_owner(state.service, state.computes, state.loadbalancer)
        if owner.digest != sent[owner.name].digest:
            continue  # the wish changed meanwhile and will be sent again
        parts: list[AnyResource] = [*state.alive, *([state.loadbalancer] if state.loadbalancer else [])]
        for part in parts:
            following = follow.get(Status(part.status))
            if following is not None:
                changed.append(part.model_copy(update={"status": following.value}))
    if changed:
        resources.update(tx, changed)


def _amounts(vcpus: int, memory_mib: int, disk_gib: int) -> dict[str, int]:
    return {"vcpus": vcpus, "memory_mib": memory_mib, "disk_gib": disk_gib}
