"""What each node's agent is to know, kept in memory from the change feed.

One index per process, by node: assignments as they go over the wire, and what the agents last
said of their nodes. ``caught_up`` waits until the index holds everything that was committed before
it was asked: an agent that changes from one API process to another must never be told an older
word than it has heard before.

Ordering: changes of a node come in the order of versions. After a gap in the log everything is
read again, and every node is told its whole set anew. The same when the database was away meanwhile.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import structlog

from controller.clock import Clock
from controller.errors import TemporaryError, VersionsGone
from controller.model.assignment import ASSIGNMENT, Assignment, AssignmentRole
from controller.model.node import NODE, Node
from controller.store import changes, resources
from controller.store.changes import Change, Feed, Verb
from controller.store.database import Database, Transaction
from controller.wire.agent_pb2 import AssignmentItem
from controller.wire.agent_pb2 import Assignments as AssignmentsMessage

_RETRY_SECONDS = 1.0


def item_of(assignment: Assignment) -> AssignmentItem:
    """An assignment as its node's agent sees it."""
    spec = assignment.spec
    moving = spec.role is not AssignmentRole.INCOMING
    return AssignmentItem(
        name=assignment.name,
        resource_kind=spec.resource_kind,
        resource=spec.resource,
        resource_uid=spec.resource_uid,
        role=spec.role.value,
        revision=spec.revision,
        spec=json.dumps(spec.desired, separators=(",", ":"), sort_keys=True).encode(),
        migrate_to=spec.migrate_to or "",
        migrate_address=spec.migrate_address,
        migrate_ready=spec.migrate_ready,
        attempt=spec.migrate_attempt if moving else spec.attempt,
        delete_disks=spec.role is AssignmentRole.LEAVING,
        cells=spec.cells,
        cpus=spec.cpus,
    )


@dataclass
class Delta:
    """What changed for one node."""

    items: dict[str, AssignmentItem] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)


class Roster:
    """The index; ``run`` must be kept running."""

    def __init__(
        self,
        db: Database,
        feed: Feed,
        clock: Clock,
        cluster: str,
        *,
        changed: Callable[[str, AssignmentsMessage], None] = lambda _node, _message: None,
        anew: Callable[[], None] = lambda: None,
        gone: Callable[[str], None] = lambda _node: None,
    ) -> None:
        """``changed`` is told what a node has to hear; ``anew``: every node has to hear its whole set;

        ``gone`` is told which node is no more.
        """
        self._db = db
        self._feed = feed
        self._clock = clock
        self._cluster = cluster
        self._changed = changed
        self._anew = anew
        self._gone = gone
        self._items: dict[str, dict[str, AssignmentItem]] = defaultdict(dict)
        self._nodes: dict[str, Node] = {}
        self._version = -1
        self._arrived = asyncio.Event()
        self._log = structlog.get_logger("roster")

    def node(self, name: str) -> Node | None:
        """The node's row, as last heard of."""
        return self._nodes.get(name)

    def whole(self, node: str) -> AssignmentsMessage:
        """Everything that the node has to know."""
        return AssignmentsMessage(full=True, version=self._version, items=self._items.get(node, {}).values())

    async def caught_up(self) -> None:
        """Wait until the index has everything that is committed now."""
        head = await self._db.aread(changes.head)
        while self._version < head:
            self._feed.wake()
            await self._arrived.wait()

    async def run(self) -> None:
        """Follow the feed; cancel to end."""
        while True:
            try:
                # Of every kind: the index's version must pass those of others too (``caught_up``).
                async for batch in self._feed.subscribe(await self._begin()):
                    self._take(batch)
            except VersionsGone:
                continue
            except TemporaryError as error:
                self._log.info("changes lost", error=error.message)
                await self._clock.sleep(_RETRY_SECONDS)

    async def _begin(self) -> int:
        version, nodes, assignments = await self._db.aread(self._read)
        known, self._nodes = self._nodes, {node.name: node for node in nodes}
        self._items = defaultdict(dict)
        for assignment in assignments:
            self._items[assignment.spec.node][assignment.name] = item_of(assignment)
        again = self._version >= 0
        self._set_version(version)
        for name, node in known.items():
            if name not in self._nodes or self._nodes[name].uid != node.uid:
                self._gone(name)
        if again:
            self._anew()
        return version

    def _read(self, tx: Transaction) -> tuple[int, list[Node], list[Assignment]]:
        nodes = cast(list[Node], resources.list_all(tx, NODE, parents=(self._cluster,)))
        assignments = cast(list[Assignment], resources.list_all(tx, ASSIGNMENT, parents=(self._cluster,)))
        return changes.head(tx), nodes, assignments

    def _take(self, batch: list[Change]) -> None:
        deltas: dict[str, Delta] = defaultdict(Delta)
        for change in batch:
            if change.kind == ASSIGNMENT.name:
                self._take_assignment(change, cast(Assignment, change.resource), deltas)
            elif change.kind == NODE.name:
                row = cast(Node, change.resource)
                if change.verb == Verb.DELETED:
                    self._nodes.pop(row.name, None)
                    self._gone(row.name)
                else:
                    self._nodes[row.name] = row
        self._set_version(batch[-1].version)
        for node, delta in deltas.items():
            message = AssignmentsMessage(version=self._version, items=delta.items.values(), removed=delta.removed)
            self._changed(node, message)

    def _take_assignment(self, change: Change, assignment: Assignment, deltas: dict[str, Delta]) -> None:
        node, name = assignment.spec.node, assignment.name
        known = self._items[node]
        if change.verb == Verb.DELETED:
            if known.pop(name, None) is not None:
                deltas[node].items.pop(name, None)
                deltas[node].removed.add(name)
            return
        item = item_of(assignment)
        if known.get(name) != item:
            known[name] = deltas[node].items[name] = item
            deltas[node].removed.discard(name)

    def _set_version(self, version: int) -> None:
        self._version = version
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()
