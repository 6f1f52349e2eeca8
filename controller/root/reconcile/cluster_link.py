"""The link of the root controller to one cluster: sends desired state, receives observed state.

Two tasks run: a batch loop sends the owners whose digest differs from the one that the cluster has applied, and a
reader follows the Observe stream. Both start over after a lost connection: the reader with a whole snapshot, the
sender with the digests that the cluster has. Every message carries the master's term; a cluster refuses lower terms.

A cluster whose database was restored gets a message once every owner was compared that the root or the cluster knew
when the stream began. A resync does not restart a slow round. An owner that the cluster refuses for good counts as
compared, if the cluster takes the term of this root: else one bad document would hold the cluster for ever. A
node that has joined does not, and neither does an owner at which the cluster meets an error that nobody foresaw:
what runs of them is not known to the cluster, which waits for them, or for an operator who ends the hold. Other
owners are applied meanwhile. The owner shows the reason, see ``not_applied``.

Ordering: a report is in the database before the ``view`` shows it, and before it wakes services.

Design: H5
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import structlog

from controller.clock import Clock
from controller.errors import InternalError, ResourceError, StaleTerm, TemporaryError, Unavailable
from controller.loop import Backoff, BatchLoop, Outcome, log_outcome
from controller.model import registry
from controller.model.cluster import CLUSTER
from controller.model.envelope import State, Status
from controller.model.node import NODE
from controller.model.region_service import REGION_SERVICE
from controller.model.registry import AnyResource, key_of
from controller.root.cluster_peer import CALL_DEADLINE, ClusterPeer
from controller.root.reconcile import desired_state, desired_state_reader, not_applied, observed_state
from controller.root.reconcile.cluster_view import ClusterView
from controller.root.reconcile.cost_throttle import CostThrottle
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
        report: Callable[[Outcome], None] = log_outcome,
    ) -> None:
        """``changed`` is called with the ``str(key)`` of each reported Compute and Loadbalancer, and of each owner
        whose state the cluster has applied."""
        self.name = name
        self.view = ClusterView()
        self._peer = peer
        self._db = db
        self._fence = fence
        self._clock = clock
        self._changed = changed
        self._throttle = CostThrottle(clock)
        self._known: dict[str, str] | None = None
        self._since = 0
        self._uncompared: set[str] = set()
        """Owners that were not compared in this round; a new set for each round."""
        self._joined: set[str] = set()
        """Nodes whose agents have registered."""
        self._sent_complete = True
        """Whether the cluster knows that the round is over."""
        self._random = random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._log = structlog.get_logger("link").bind(cluster=name)
        self.sender = BatchLoop(
            f"sync {name}",
            self._send,
            clock=clock,
            keys=self._owners,
            gather=0.02,
            resync=60.0,
            backoff=_RETRY,
            report=report,
        )

    async def run(self) -> None:
        """Send and read until cancelled; raises StaleTerm when the term was superseded."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.sender.run())
            tasks.create_task(self._read_forever())

    def wake(self, owner: str) -> None:
        """Compare an owner with the cluster's state soon, or later if the last comparison took long."""
        self.sender.wake(owner, after=self._throttle.pause(owner))

    def known_owners(self) -> list[str]:
        """Return the owners whose state the cluster has applied, as far as known."""
        return list(self._known or ())

    async def _owners(self) -> list[str]:
        """Return every owner that the root or the cluster knows: the keys of a resync."""
        self._known = None
        here, self._joined = await self._db.aread(
            lambda tx: (
                desired_state_reader.names(tx, self.name),
                desired_state_reader.joined(tx, self.name),
            )
        )
        there = await self._digests()
        owners = {*here, *there}
        if self._sent_complete:  # a round that is under way goes on
            self._begin_round(owners)
        self._uncompared &= owners  # what neither has any more is not compared again
        return list(owners)

    def _begin_round(self, owners: Iterable[str]) -> None:
        self._uncompared, self._sent_complete = set(owners), False

    async def _digests(self) -> dict[str, str]:
        if self._known is None:
            known: dict[str, str] = {}
            with self._peer.calling() as stub:
                async for batch in stub.Digests(cluster_pb2.DigestsRequest(), timeout=CALL_DEADLINE):
                    known.update(batch.digests)
            self._known = known
        return self._known

    async def _send(self, names: frozenset[str]) -> None:
        uncompared = self._uncompared  # another round may begin meanwhile, with another database of the cluster
        try:
            await self._compare(names)
        except Exception as error:
            if len(names) == 1 and _concerns_owner(error):
                await self._refused(next(iter(names)), error, uncompared)
            raise
        await self._note_compared(uncompared, names)

    async def _refused(self, owner: str, error: Exception, uncompared: set[str]) -> None:
        """Show why the cluster does not have an owner, which counts as compared if it was refused for good."""
        await self._announce_term()  # refused as well: this root is what the cluster refuses
        reason = not_applied.text(self.name, error)
        await self._db.awrite(lambda tx: not_applied.show(tx, self.name, owner, reason), fence=self._fence)
        has_joined = owner in {desired_state.owner_name(NODE.key(self.name, node)) for node in self._joined}
        if owner in uncompared and not isinstance(error, InternalError) and not has_joined:
            self._log.error("an owner counts as compared, though the cluster does not have it", owner=owner)
            await self._note_compared(uncompared, frozenset([owner]))

    async def _note_compared(self, uncompared: set[str], names: frozenset[str]) -> None:
        uncompared -= names
        if uncompared is self._uncompared and not uncompared and not self._sent_complete:
            await self._announce_term(complete=True)
            if uncompared is self._uncompared:
                self._sent_complete = True

    async def _compare(self, names: frozenset[str]) -> None:
        """Send what differs of these owners, the services among them with their status."""
        known = await self._digests()
        with self._throttle.measure(names):
            version, owners = await self._db.aread(
                lambda tx: (changes.head(tx), desired_state_reader.owners(tx, self.name, names))
            )
        different = [
            owner
            for owner in owners
            if (owner.name in known if owner.deleted else known.get(owner.name) != owner.digest)
        ]
        for start in range(0, len(different), OWNERS_PER_CALL):
            part = different[start : start + OWNERS_PER_CALL]
            await self._sync(part, version)
            for owner in part:
                if owner.deleted:
                    known.pop(owner.name, None)
                else:
                    known[owner.name] = owner.digest
        applied = [owner.name for owner in owners if not owner.deleted]
        services = [name for name in applied if name.startswith(f"{REGION_SERVICE.name} ")]
        if services:
            sent = {owner.name: owner for owner in owners}
            await self._db.awrite(lambda tx: _mark_scheduled(tx, sent, services), fence=self._fence)
        if await self._db.aread(lambda tx: not_applied.shown(tx, self.name, applied)):
            await self._db.awrite(lambda tx: not_applied.clear(tx, self.name, applied), fence=self._fence)

    async def _sync(self, part: list[desired_state.Owner], version: int) -> None:
        try:
            with self._peer.calling() as stub:
                await stub.Sync(
                    iter(desired_state.chunks(part, await self._site(), self._fence.term, version)),
                    timeout=CALL_DEADLINE,
                )
        except ResourceError:
            self._known = None  # unknown what was applied: read the digests before sending again
            raise

    async def _announce_term(self, *, complete: bool = False) -> None:
        """Send the term even with nothing else to send: the cluster then refuses late messages of an older master.

        ``complete``: every owner was compared. A cluster whose database was restored waits for that.
        """
        with self._peer.calling() as stub:
            empty = cluster_pb2.SyncChunk(
                site=await self._site(),
                term=self._fence.term,
                complete=complete,
                joined=sorted(self._joined) if complete else (),
            )
            await stub.Sync(iter([empty]), timeout=CALL_DEADLINE)

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
            except Exception as trouble:  # nor may it stop the sender, which sends what differs
                self._log.error("observe stream broke", error=repr(trouble), exc_info=trouble)
                error = Unavailable(f"internal error: {type(trouble).__name__}")
            if self._clock.monotonic() - started > 10:
                failures = 0
            failures += 1
            pause = _RETRY.delay(failures, self._random)
            self._log.info("observe stream lost", error=error.message, retry_in=pause)
            if failures == 3:
                await self._write_state(State.UNKNOWN, error.message)
            await self._clock.sleep(pause)

    async def _read(self) -> None:
        request = cluster_pb2.ObserveRequest(since=self._since if self.view.whole else 0)
        snapshot: _Snapshot | None = None
        first = True
        with self._peer.calling() as stub:
            async for message in stub.Observe(request):
                if first:
                    first = False
                    await self._announce_term()
                    owners = await self._owners()
                    self._begin_round(owners)
                    self.sender.wake(*owners)
                    await self._note_compared(self._uncompared, frozenset())
                    await self._write_state(State.UP, "")
                if message.snapshot and snapshot is None:
                    snapshot = _Snapshot()
                await self._apply(message, snapshot)
                if message.snapshot_end:
                    snapshot = None
                if message.version:
                    # Lower than before if the cluster's database was replaced: the stream continues from there.
                    self._since = message.version

    async def _apply(self, message: cluster_pb2.ObservedBatch, snapshot: _Snapshot | None) -> None:
        """Write a message to the database, then to the view, then wake the services that it concerns."""
        batch = observed_state.parse(self.name, message.documents, message.deleted)
        if batch.resources or batch.deleted:
            await self._db.awrite(partial(observed_state.apply, batch=batch), fence=self._fence)
        touched = _update_view(self.view if snapshot is None else snapshot.view, batch, message)
        if snapshot is not None:
            snapshot.listed |= {str(key_of(row)) for row in batch.resources} | batch.unreadable
            snapshot.readable &= batch.whole
            if message.snapshot_end and snapshot.readable:
                delete = partial(observed_state.delete_unlisted, cluster=self.name, listed=snapshot.listed)
                await self._db.awrite(delete, fence=self._fence)
                snapshot.view.whole = True
                self.view = snapshot.view
        self._changed([*touched, *message.digests])

    async def _write_state(self, state: State, reason: str) -> None:
        def write(tx: Transaction) -> None:
            row = resources.find(tx, CLUSTER.key(self.name))
            if row is not None and (row.state, row.state_reason) != (state, reason):
                resources.update(tx, [row.model_copy(update={"state": state.value, "state_reason": reason})])

        await self._db.awrite(write, fence=self._fence)

    async def update_capacity(self) -> None:
        """Write the cluster's free capacity into its row, which orders the clusters for placement."""
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
    """A snapshot that has not arrived completely."""

    view: ClusterView = field(default_factory=ClusterView)
    listed: set[str] = field(default_factory=set)
    readable: bool = True
    """Whether the key of everything in it could be read; else it does not prove that something does not exist."""


def _update_view(view: ClusterView, batch: observed_state.Batch, message: cluster_pb2.ObservedBatch) -> set[str]:
    touched = {str(key_of(row)) for row in batch.resources if registry.get(row.kind).replication.placed}
    deleted = {str(key) for key in batch.deleted if registry.get(key.kind).replication.placed}
    view.present |= touched | batch.unreadable
    view.present -= deleted
    for owner, digest in message.digests.items():
        if digest:
            view.digests[owner] = digest
        else:
            view.digests.pop(owner, None)
    return touched | deleted


def _concerns_owner(error: Exception) -> bool:
    """Return whether an error may be because of what was sent, and not because of the peer or this master."""
    return isinstance(error, InternalError) or not isinstance(error, TemporaryError | StaleTerm)


def _mark_scheduled(tx: Transaction, sent: dict[str, desired_state.Owner], names: list[str]) -> None:
    """Set the status of what the cluster has received to Scheduled, unless a later status is known.

    Design: K5
    """
    follow = {
        Status.INITIALIZING: Status.CREATING_SCHEDULED,
        Status.CREATING: Status.CREATING_SCHEDULED,
        Status.UPDATING: Status.UPDATING_SCHEDULED,
    }
    changed = []
    for state in desired_state_reader.states(tx, names):
        owner = desired_state.service_owner(state.service, state.computes, state.loadbalancer)
        if owner.digest != sent[owner.name].digest:
            continue  # the desired state changed meanwhile and will be sent again
        parts: list[AnyResource] = [*state.alive, *([state.loadbalancer] if state.loadbalancer else [])]
        for part in parts:
            following = follow.get(Status(part.status))
            if following is not None:
                changed.append(part.model_copy(update={"status": following.value}))
    if changed:
        resources.update(tx, changed)


def _amounts(vcpus: int, memory_mib: int, disk_gib: int) -> dict[str, int]:
    return {"vcpus": vcpus, "memory_mib": memory_mib, "disk_gib": disk_gib}
