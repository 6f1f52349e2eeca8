"""The cluster controller: the master's loops over the cluster's database (G4, J10, K5).

Level-triggered. A batch loop brings Computes and Loadbalancers on, woken by the change feed and by
the resync; every pass reads, decides and writes in one fenced transaction. Beside it the nodes'
states are kept (once a second) and drains are pushed on, those of all nodes together.

Its own writes do not wake it: a pass goes as far as it can at once. What was refused for want of
room is tried again when a node changes or capacity comes free, and at each resync.

Ends with StaleTerm when the mastership is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import structlog

from controller.clock import Clock
from controller.cluster.moves import drain, rebalance
from controller.cluster.moves.drain import Limits
from controller.cluster.reconcile import computes, node_state
from controller.cluster.reconcile.node_state import Silence
from controller.cluster.traffic import loadbalancers
from controller.cluster.unit_of_work import plan_store
from controller.cluster.unit_of_work.node_cache import NodeCache
from controller.errors import StaleTerm, TemporaryError, VersionsGone
from controller.loop import BatchLoop, BatchResult, Outcome, log_outcome
from controller.model.assignment import ASSIGNMENT, Assignment
from controller.model.compute import COMPUTE, Compute
from controller.model.loadbalancer import LOADBALANCER, Loadbalancer
from controller.model.node import NODE, Node
from controller.model.registry import AnyResource, key_of, parse_key
from controller.store import changes, events, resources
from controller.store.changes import Change, Feed, Verb
from controller.store.database import Database, Fence, Transaction

_KINDS = (COMPUTE.name, LOADBALANCER.name, ASSIGNMENT.name, NODE.name)
_HOUSEKEEPING_SECONDS = 30.0
_RETRY_SECONDS = 1.0
_USAGE_SECONDS = 10.0
_SHOWN_AT_ONCE = 200
"""Of how many nodes it is written in one look what is taken of them."""
_DRAINS = "drains"
"""The one key of the loop of drains: they are planned as one."""
_DRAINS_GATHER = 0.1


@dataclass(frozen=True)
class Pace:
    """How often things are looked at, in seconds, and how much history is kept, in rows."""

    resync: float = 60.0
    watch: float = 1.0
    drain_retry: float = 5.0
    keep_changes: int = 200_000
    keep_events: int = 20_000


@dataclass
class _Pass:
    """What a pass over some keys came to."""

    versions: range = range(0)
    refused: set[str] = field(default_factory=set)
    """Keys of what waits for room, or for its turn to move."""
    freed: bool = False
    """Something may be possible now that was not before."""


class ClusterController:
    """Works for one term; ``run`` until cancelled."""

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
        self._silence = silence or Silence()
        self._pace = pace = pace or Pace()
        self._limits = limits or Limits()
        self._log = structlog.get_logger("cluster-controller").bind(cluster=cluster)
        self._own: list[range] = []
        """Versions of what was written here."""
        self._unplaced: set[str] = set()
        self._nodes: dict[str, Node] = {}
        self._draining: set[str] = set()
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
            tasks.create_task(self._every(_HOUSEKEEPING_SECONDS, self._keep_house))

    async def pass_over(self, keys: Iterable[str]) -> None:
        """One pass over the workloads of those keys, at once (tests)."""
        await self._work(frozenset(keys))

    # --- workloads

    async def _keys(self) -> list[str]:
        def read(tx: Transaction) -> list[str]:
            rows = [row for kind in (COMPUTE.name, LOADBALANCER.name) for row in resources.list_all(tx, kind)]
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
        if not self._draining:  # a drain is told of every assignment
            self._feed.pass_over(done.versions)
        self._unplaced = (self._unplaced - keys) | done.refused
        if done.freed:
            self._retry_unplaced()
        return {}

    def _pass(self, tx: Transaction, keys: frozenset[str]) -> _Pass:
        plan = plan_store.load(tx, self._cluster, map(parse_key, keys), self._node_cache)
        found = list(plan.workloads.values())
        computes.reconcile(plan, [each for each in found if isinstance(each, Compute)])
        loadbalancers.reconcile(plan, [each for each in found if isinstance(each, Loadbalancer)])
        versions = plan_store.store(tx, plan)
        refused = {str(key) for key, each in plan.workloads.items() if _waits(each)}
        return _Pass(versions, refused, freed=bool(plan.given_back) or plan.turn_over)

    def _note_own(self, versions: range) -> None:
        """Not before the commit: what is rolled back has its versions taken by others."""
        if not versions:
            return
        if self._own and self._own[-1].stop == versions.start:  # while nobody else writes, nothing prunes the list
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
        """Wake what changes concern; first, and after a gap in the log, look at everything."""
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
                self._log.warning("the change log was compacted past us; looking at everything")
            except TemporaryError as error:
                self._log.info("changes lost; looking at everything", error=error.message)
                await self._clock.sleep(_RETRY_SECONDS)

    def _read_nodes(self, tx: Transaction) -> tuple[int, list[Node]]:
        return changes.head(tx), cast(list[Node], resources.list_all(tx, NODE, parents=(self._cluster,)))

    def _wake(self, batch: list[Change]) -> None:
        keys: set[str] = set()
        for change in batch:  # what need not be parsed is not: of many placements most changes are our own
            others = change.verb != Verb.DELETED and not any(change.version in versions for versions in self._own)
            if change.kind == NODE.name:
                self._node_changed(change, cast(Node, change.resource))
            elif change.kind == ASSIGNMENT.name:
                if self._draining:
                    self._assignment_changed(cast(Assignment, change.resource))
                if others:
                    keys.add(str(plan_store.workload_key(cast(Assignment, change.resource))))
            elif others:
                keys.add(f"{change.kind} {change.path}")
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
        if before is None or _offer(before) != _offer(node):
            self._retry_unplaced()

    def _assignment_changed(self, assignment: Assignment) -> None:
        for name in (assignment.spec.node, assignment.spec.migrate_to):
            if name in self._draining:
                self._drains.wake(_DRAINS)

    # --- nodes

    async def watch_nodes(self) -> None:
        """Bring the nodes' states and shown usage up to date; remove those that are to go and empty."""
        known = dict(self._nodes)
        usage = self._usage_is_due()
        seen = await self._db.aread(lambda tx: node_state.look(tx, known, self._silence, usage=usage))
        different = node_state.due(known, seen, self._shown_last, _SHOWN_AT_ONCE)
        self._shown_last = next(reversed(different), "")
        leaving = [node for node in known.values() if node.is_deleting]
        if not different and not leaving:
            return

        def write(tx: Transaction) -> set[str]:
            changed = node_state.write(tx, self._cluster, different)
            turned = [node for node in changed if node.state != known[node.name].state]
            told = [
                events.Occurrence(NODE.name, key_of(node).path, f"Node{node.state}", node.state_reason)
                for node in turned
            ]
            events.record_many(tx, told)
            for node in leaving:
                node_state.remove_empty(tx, node)
            return {node.name for node in turned}

        if turned := await self._db.awrite(write, fence=self._fence):
            self._workloads.wake(*await self._db.aread(lambda tx: plan_store.names_on(tx, turned)))

    def _usage_is_due(self) -> bool:
        """What is taken of nodes is looked at each time, but now and then only in the middle of a pass."""
        now = self._clock.monotonic()
        if self._passing and now - self._usage_at < _USAGE_SECONDS:
            return False
        self._usage_at = now
        return True

    async def _drain(self, _: frozenset[str]) -> BatchResult:
        names = sorted(self._draining)
        if not names:
            return {}
        going_on, versions = await self._db.awrite(partial(self._drain_all, names=names), fence=self._fence)
        self._note_own(versions)
        return {_DRAINS: self._pace.drain_retry} if going_on else {}

    def _drain_all(self, tx: Transaction, names: list[str]) -> tuple[bool, range]:
        """One step of all drains: whether one of them is not over, and the versions that it wrote."""
        plan = plan_store.load_of_nodes(tx, self._cluster, names, self._drain_cache)
        known = [plan.nodes[name] for name in names if name in plan.nodes]
        leaving = [node.name for node in known if node.spec.drain]
        drain.call_off(plan, {node.name for node in known} - {*leaving})
        stand = drain.advance(plan, leaving, self._limits) if leaving else {}
        for node in known:
            drain.show(plan, node, stand.get(node.name))
        versions = plan_store.store(tx, plan)
        return any(drained.remaining for drained in stand.values()), versions

    # --- the rest

    async def _keep_house(self) -> None:
        def write(tx: Transaction) -> None:
            changes.compact(tx, self._pace.keep_changes)
            events.prune(tx, self._pace.keep_events)

        await self._db.awrite(write, fence=self._fence)

    async def _every(self, seconds: float, work: Callable[[], object]) -> None:
        """Do ``work`` again and again; a passing error is for the next time."""
        while True:
            await self._clock.sleep(seconds)
            try:
                result = work()
                if asyncio.iscoroutine(result):
                    await result
            except StaleTerm:
                raise
            except TemporaryError as error:
                self._log.info("not done this time", what=getattr(work, "__name__", ""), error=error.message)


def _wants_drain(node: Node) -> bool:
    return node.spec.drain or "drain" in node.observed


def _offer(node: Node) -> object:
    """What of a node decides whether something can be placed there."""
    facts = {name: node.observed.get(name) for name in ("capacity", "zones", "providers")}
    return node.state, node.spec, node.labels, facts


def _waits(workload: AnyResource) -> bool:
    """For room, or for its turn to move."""
    if workload.status in ("Error", "Initializing"):
        return True
    return isinstance(workload, Compute) and rebalance.is_waiting(workload)
