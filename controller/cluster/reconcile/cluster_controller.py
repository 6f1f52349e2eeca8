"""The cluster controller: the master's loops over the cluster's database.

Level-triggered. A batch loop reconciles Computes and Loadbalancers, woken by the change feed and by
the resync; every pass reads, decides and writes in one fenced transaction. Two more loops update
the nodes' states, once a second, and advance the drains of all nodes together.

Its own writes do not wake it: a pass takes every step that is possible at once. What was refused
for lack of room is retried when a node changes or capacity becomes free, and at each resync.

Ends with StaleTerm when the mastership is lost.

Design: G4, J10, K5
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from controller.clock import Clock
from controller.cluster.moves import drain, rebalance
from controller.cluster.moves.drain import Limits
from controller.cluster.reconcile import adoption, computes, node_state
from controller.cluster.reconcile.node_state import Silence
from controller.cluster.traffic import loadbalancers
from controller.cluster.unit_of_work import storage
from controller.cluster.unit_of_work.node_cache import NodeCache
from controller.errors import StaleTerm, TemporaryError, VersionsGone
from controller.loop import BatchLoop, BatchResult, Outcome, Verdict, log_outcome
from controller.model import registry
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.model.compute import Compute
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import NODE, Node
from controller.model.registry import AnyResource, key_of, parse_key
from controller.store import changes, events, resources, restore_hold
from controller.store.changes import Change, Feed, Verb
from controller.store.database import Database, Fence, Transaction

_PLACED = tuple(kind.name for kind in registry.kinds() if kind.replication.placed)
_KINDS = (*_PLACED, ASSIGNMENT.name, NODE.name)
_HOUSEKEEPING_SECONDS = 30.0
_RETRY_SECONDS = 1.0
_USAGE_SECONDS = 10.0
_SHOWN_AT_ONCE = 200
"""For how many nodes one write updates the shown usage."""
_DRAINS = "drains"
"""The one key of the loop of drains: all drains are planned together."""
_DRAINS_GATHER = 0.1


@dataclass(frozen=True)
class Pace:
    """How often the loops run, in seconds, and how much history is kept, in rows."""

    resync: float = 60.0
    watch: float = 1.0
    drain_retry: float = 5.0
    keep_changes: int = 200_000
    keep_events: int = 20_000


@dataclass
class _Pass:
    """The result of a pass over some keys."""

    versions: range = range(0)
    refused: set[str] = field(default_factory=set)
    """Keys of workloads that wait for room, or for their turn to move."""
    freed: bool = False
    """Whether something may be possible now that was not before."""


class ClusterController:
    """The controller of one term."""

    def __init__(
        self,
        db: Database,
        feed: Feed,
        fence: Fence,
        *,
        cluster: str,
        clock: Clock,
        silence: Silence | None = None,
        pace: Pace | None = None,
        limits: Limits | None = None,
        report: Callable[[Outcome], None] = log_outcome,
    ) -> None:
        self._db = db
        self._feed = feed
        self._fence = fence
        self._cluster = cluster
        self._clock = clock
        self._report = report
        self._silence = silence or Silence()
        self._pace = pace = pace or Pace()
        self._limits = limits or Limits()
        self._log = structlog.get_logger("cluster-controller").bind(cluster=cluster)
        self._own: list[range] = []
        """Versions of this controller's own writes."""
        self._unplaced: set[str] = set()
        self._nodes: dict[str, Node] = {}
        self._draining: set[str] = set()
        self._hold_reason = ""
        self._node_cache = NodeCache()
        self._drain_cache = NodeCache()
        self._passing = False
        self._usage_at = 0.0
        self._shown_last = ""
        self._workloads = BatchLoop(
            "workloads", self._work, clock=clock, keys=self._keys, resync=pace.resync, report=report
        )
        self._drains = BatchLoop("drains", self._drain, clock=clock, gather=_DRAINS_GATHER, report=report)

    async def run(self) -> None:
        """Work until cancelled. Raises StaleTerm when another is master."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._workloads.run())
            tasks.create_task(self._drains.run())
            tasks.create_task(self._every(self._pace.watch, self.watch_nodes))
            tasks.create_task(self._every(_HOUSEKEEPING_SECONDS, self._prune_history))

    # --- workloads

    async def _keys(self) -> list[str]:
        def read(tx: Transaction) -> list[str]:
            rows = [row for kind in _PLACED for row in resources.list_all(tx, kind)]
            return [str(key_of(row)) for row in rows]

        return await self._db.aread(read)

    async def _work(self, keys: frozenset[str]) -> BatchResult:
        self._passing = True
        self._node_cache.learn(self._nodes.values())  # the feed has parsed them already
        try:
            done = await self._db.awrite(partial(self._pass, keys=keys), fence=self._fence)
        finally:
            self._passing = False
        self._note_own(done.versions)
        if not self._draining:  # a drain has to receive the changes of every assignment
            self._feed.skip(done.versions)
        self._unplaced = (self._unplaced - keys) | done.refused
        if done.freed:
            self._retry_unplaced()
        return {}

    def _pass(self, tx: Transaction, keys: frozenset[str]) -> _Pass:
        if restore_hold.is_active(tx):
            return _Pass()  # the end of the hold wakes everything
        work = storage.load(tx, self._cluster, map(parse_key, keys), self._node_cache)
        aside = restore_hold.set_aside(tx)
        found = [each for each in work.workloads.values() if each.uid not in aside]
        computes.reconcile(work, [each for each in found if isinstance(each, Compute)])
        loadbalancers.reconcile(work, [each for each in found if isinstance(each, Loadbalancer)])
        versions = storage.store(tx, work)
        refused = {str(key) for key, each in work.workloads.items() if _waits(each)}
        return _Pass(versions, refused, freed=bool(work.given_back) or work.turn_taken)

    def _note_own(self, versions: range) -> None:
        """Note own versions, after the commit: versions of a rolled back write are given to others."""
        if not versions:
            return
        if self._own and self._own[-1].stop == versions.start:  # without writes of others nothing prunes the list
            versions = range(self._own.pop().start, versions.stop)
        self._own.append(versions)

    def _retry_unplaced(self) -> None:
        self._workloads.wake(*self._unplaced)
        self._wake_drains()

    def _wake_drains(self) -> None:
        if self._draining:
            self._drains.wake(_DRAINS)

    # --- the feed

    async def _follow(self) -> None:
        """Wake the workloads that changes concern; first, and after a gap in the log, all of them."""
        while True:
            try:
                head, found = await self._db.aread(self._read_nodes)
                self._nodes = {node.name: node for node in found}
                self._draining = {node.name for node in found if _wants_drain(node)}
                self._wake_drains()
                self._workloads.wake(*await self._keys())
                async for batch in self._feed.subscribe(head, _KINDS):
                    self._wake(batch)
            except VersionsGone:
                self._log.warning("the change log was compacted past us; reading everything")
            except TemporaryError as error:
                self._log.info("changes lost; reading everything", error=error.message)
                await self._clock.sleep(_RETRY_SECONDS)

    def _read_nodes(self, tx: Transaction) -> tuple[int, list[Node]]:
        return changes.head(tx), resources.list_all(tx, NODE, parents=(self._cluster,))

    def _wake(self, batch: list[Change]) -> None:
        keys: set[str] = set()
        for change in batch:  # parse few: after many placements most are our own
            others = change.verb != Verb.DELETED and not any(change.version in versions for versions in self._own)
            if (node := change.of(NODE)) is not None:
                self._node_changed(change, node)
            elif change.kind != ASSIGNMENT.name:
                if others:
                    keys.add(f"{change.kind} {change.path}")
            elif (self._draining or others) and (assignment := change.of(ASSIGNMENT)) is not None:
                self._assignment_changed(assignment)
                if others:
                    keys.add(str(storage.workload_key(assignment)))
        self._own = [versions for versions in self._own if versions.stop > batch[-1].version + 1]
        self._workloads.wake(*keys)

    def _node_changed(self, change: Change, node: Node) -> None:
        before = self._nodes.get(node.name)
        if change.verb == Verb.DELETED:
            self._nodes.pop(node.name, None)
        else:
            self._nodes[node.name] = node
        self._draining.discard(node.name)
        if change.verb != Verb.DELETED and _wants_drain(node):
            self._draining.add(node.name)
        if before is None or _placement_facts(before) != _placement_facts(node):
            self._retry_unplaced()

    def _assignment_changed(self, assignment: Assignment) -> None:
        for name in (assignment.spec.node, assignment.spec.migrate_to):
            if name in self._draining:
                self._drains.wake(_DRAINS)

    # --- nodes

    async def watch_nodes(self) -> None:
        """Update the nodes' states and shown usage; delete nodes that are deleting and empty."""
        if await self._db.aread(restore_hold.is_active):
            await self._advance_hold()
        known = dict(self._nodes)
        usage = self._usage_is_due()
        seen = await self._db.aread(lambda tx: node_state.read_states(tx, known, self._silence, usage=usage))
        seen = {name: node_state.with_hold(known[name], each) for name, each in seen.items()}
        different = node_state.due(known, seen, self._shown_last, _SHOWN_AT_ONCE)
        self._shown_last = next(reversed(different), "")
        leaving = [node for node in known.values() if node.is_deleting]
        if not different and not leaving:
            return

        def write(tx: Transaction) -> set[str]:
            changed = node_state.write(tx, self._cluster, different)
            changed_state = [node for node in changed if node.state != known[node.name].state]
            occurrences = [
                events.Occurrence(NODE.name, key_of(node).path, f"Node{node.state}", node.state_reason)
                for node in changed_state
            ]
            events.record_many(tx, occurrences)
            for node in leaving:
                node_state.remove_empty(tx, node)
            return {node.name for node in changed_state}

        if changed_state := await self._db.awrite(write, fence=self._fence):
            self._workloads.wake(*await self._db.aread(lambda tx: storage.names_on(tx, changed_state)))

    async def _advance_hold(self) -> None:
        """End the hold if every node has reported, and look at everything again; else say what is waited for."""
        before = self._hold_reason

        def write(tx: Transaction) -> str:
            reason = adoption.advance(tx, self._cluster, self._not_adopted)
            if reason and reason != before:
                adoption.show(tx, reason)
            return reason

        self._hold_reason = await self._db.awrite(write, fence=self._fence)
        if self._hold_reason != before:
            self._log.warning("nothing is changed yet", reason=self._hold_reason or "ended")
        if not self._hold_reason:
            self._workloads.wake(*await self._keys())
            self._wake_drains()

    def _not_adopted(self, key: str, error: Exception) -> None:
        self._report(Outcome("adoption", key, Verdict.BROKEN, error))

    def _usage_is_due(self) -> bool:
        """Return whether usage is to be read: each time, but seldom while a pass runs."""
        now = self._clock.monotonic()
        if self._passing and now - self._usage_at < _USAGE_SECONDS:
            return False
        self._usage_at = now
        return True

    async def _drain(self, _: frozenset[str]) -> BatchResult:
        names = sorted(self._draining)
        if not names:
            return {}
        unfinished, versions = await self._db.awrite(partial(self._drain_all, names=names), fence=self._fence)
        self._note_own(versions)
        return {_DRAINS: self._pace.drain_retry} if unfinished else {}

    def _drain_all(self, tx: Transaction, names: list[str]) -> tuple[bool, range]:
        """Take one step of all drains; return whether one is unfinished, and the versions that were written."""
        if restore_hold.is_active(tx):
            return False, range(0)
        work = storage.load_of_nodes(tx, self._cluster, names, self._drain_cache)
        known = [work.nodes[name] for name in names if name in work.nodes]
        leaving = [node.name for node in known if node.spec.drain]
        drain.cancel(work, {node.name for node in known} - {*leaving}, restore_hold.set_aside(tx))
        progress = drain.advance(work, leaving, self._limits) if leaving else {}
        for node in known:
            drain.show(work, node, progress.get(node.name))
        versions = storage.store(tx, work)
        return any(drained.remaining for drained in progress.values()), versions

    # --- the rest

    async def _prune_history(self) -> None:
        def write(tx: Transaction) -> None:
            changes.compact(tx, self._pace.keep_changes)
            events.prune(tx, self._pace.keep_events)

        await self._db.awrite(write, fence=self._fence)

    async def _every(self, seconds: float, work: Callable[[], object]) -> None:
        """Repeat ``work``; after an error it is retried at the next time."""
        while True:
            await self._clock.sleep(seconds)
            try:
                result = work()
                if asyncio.iscoroutine(result):
                    await result
            except StaleTerm:
                raise
            except TemporaryError as error:
                self._log.info("not done, retried next time", what=getattr(work, "__name__", ""), error=error.message)
            except Exception as error:  # one bad row stops no other loop
                name = getattr(work, "__name__", "")
                self._report(Outcome("intervals", name, Verdict.BROKEN, error, seconds))


def _wants_drain(node: Node) -> bool:
    return node.spec.drain or node.facts.drain is not None


def _placement_facts(node: Node) -> object:
    """Return what decides whether something can be placed on a node."""
    return node.state, node.spec, node.labels, node.facts.capacity, node.facts.zones, node.facts.providers


def _waits(workload: AnyResource) -> bool:
    """Return whether it waits for room, or for its turn to move."""
    if workload.status in ("Error", "Initializing"):
        return True
    return isinstance(workload, Compute) and rebalance.is_waiting(workload)
