"""Keeps the assignments of each node in memory, from the change feed, for the agents' sessions.

One index per process, by node: assignments as they go over the wire, who may connect to their machines, and the
node's row with the facts that its agent last reported. ``wait_until_current`` returns when the index holds everything
that was committed before the call: an agent that changes from one API process to another must never
receive an older state than it had.

Ordering: changes of a node come in the order of versions. After a gap in the log, or after the
database was unreachable, the index reads everything again and every node receives its full set.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from controller.clock import Clock
from controller.cluster.agents.access_sender import AccessSender
from controller.cluster.agents.network_access import AccessIndex
from controller.errors import TemporaryError, VersionsGone
from controller.model.assignment import ASSIGNMENT, Assignment, AssignmentRole
from controller.model.node import NODE, Node, NodeHold
from controller.model.security_group import SECURITY_GROUP, SecurityGroup
from controller.store import changes, resources, schema
from controller.store.changes import Change, Feed, Verb
from controller.store.database import Database, Transaction
from controller.wire.agent_pb2 import AssignmentItem
from controller.wire.agent_pb2 import Assignments as AssignmentsMessage

_RETRY_SECONDS = 1.0


def item_of(assignment: Assignment) -> AssignmentItem:
    """Return an assignment as its node's agent receives it."""
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
        delete_disks=spec.role is AssignmentRole.LEAVING and not spec.keep_disks,
        cells=spec.cells,
        cpus=spec.cpus,
    )


@dataclass
class Delta:
    """What changed for one node."""

    items: dict[str, AssignmentItem] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)


class AssignmentIndex:
    """The index; ``run`` must be kept running."""

    def __init__(
        self,
        db: Database,
        feed: Feed,
        clock: Clock,
        cluster: str,
        *,
        changed: Callable[[str, AssignmentsMessage], None] = lambda _node, _message: None,
        reread: Callable[[], None] = lambda: None,
        deleted: Callable[[str], None] = lambda _node: None,
        connected: Callable[[str], bool] = lambda _node: True,
    ) -> None:
        """``connected`` returns whether an agent of a node receives changes here; the others get a full set later.

        ``changed`` receives a node and the changes for it, ``deleted`` a node that was deleted or is
        held from now on: its session ends.

        ``reread`` is called when everything was read again: every node needs its full set.
        """
        self._db = db
        self._feed = feed
        self._clock = clock
        self._cluster = cluster
        self._changed = changed
        self._reread = reread
        self._deleted = deleted
        self._connected = connected
        self._access = AccessIndex()
        self._access_sender = AccessSender(clock)
        self._items: dict[str, dict[str, AssignmentItem]] = defaultdict(dict)
        self._nodes: dict[str, Node] = {}
        self._version = -1
        self._epoch = ""
        self._arrived = asyncio.Event()
        self._log = structlog.get_logger("assignment_index")

    def node(self, name: str) -> Node | None:
        """Return the node's row as the index has it; None for a node that does not exist."""
        return self._nodes.get(name)

    def is_held(self, name: str) -> bool:
        """Return whether the node is to get no assignments yet: the database was restored, see ``restore_hold``."""
        return bool(self._hold(name))

    def is_unknown_epoch(self, name: str, epoch: str, version: int) -> bool:
        """Return whether what a node's agent has was sent from a database that this one does not continue."""
        row = self._nodes.get(name)
        if row is None or self.is_held(name) or not epoch or row.facts.epoch == self._epoch != epoch:
            return False  # it has nothing, or has reported in this epoch and was not sent its assignments yet
        return row.facts.skipped != self._epoch and self._is_unknown(epoch, version)

    def has_returned(self, name: str, epoch: str, version: int) -> bool:
        """Return whether a node that was skipped when the hold was ended has taken assignments of this database."""
        row = self._nodes.get(name)
        return row is not None and bool(row.observed.get("skipped")) and not self._is_unknown(epoch, version)

    def _is_unknown(self, epoch: str, version: int) -> bool:
        return epoch != self._epoch or version > self._version

    def full_set(self, node: str) -> AssignmentsMessage:
        """Return all assignments of the node."""
        items = self._items.get(node, {}).values()
        return AssignmentsMessage(
            full=True, version=self._version, items=items, epoch=self._epoch, access=self._access.of(node)
        )

    async def wait_until_current(self) -> None:
        """Wait until the index holds everything that is committed now."""
        head = await self._db.aread(changes.head)
        while self._version < head:
            self._feed.wake()
            await self._arrived.wait()

    async def run(self) -> None:
        """Follow the feed until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._access_sender.run(lambda: self._access.later(), self._send_access))
            await self._follow()

    async def _follow(self) -> None:
        while True:
            try:
                # Of every kind: ``wait_until_current`` waits for the versions of other kinds too.
                async for batch in self._feed.subscribe(await self._begin()):
                    self._take(batch)
            except VersionsGone:
                continue
            except TemporaryError as error:
                self._log.info("changes lost", error=error.message)
                await self._clock.sleep(_RETRY_SECONDS)

    async def _begin(self) -> int:
        version, self._epoch, nodes, assignments, groups = await self._db.aread(self._read)
        self._access = AccessIndex(groups)
        known, self._nodes = self._nodes, {node.name: node for node in nodes}
        self._items = defaultdict(dict)
        for assignment in assignments:
            self._items[assignment.spec.node][assignment.name] = item_of(assignment)
            self._access.put(assignment)
        again = self._version >= 0
        self._set_version(version)
        for name, node in known.items():
            if name not in self._nodes or self._nodes[name].uid != node.uid:
                self._deleted(name)
        if again:
            self._reread()
        return version

    def _read(self, tx: Transaction) -> tuple[int, str, list[Node], list[Assignment], list[SecurityGroup]]:
        nodes = resources.list_all(tx, NODE, parents=(self._cluster,))
        assignments = resources.list_all(tx, ASSIGNMENT, parents=(self._cluster,))
        groups = resources.list_all(tx, SECURITY_GROUP)
        return changes.head(tx), schema.epoch(tx.connection), nodes, assignments, groups

    def _take(self, batch: list[Change]) -> None:
        deltas: dict[str, Delta] = defaultdict(Delta)
        released: set[str] = set()
        for change in batch:
            if (assignment := change.of(ASSIGNMENT)) is not None:
                self._take_assignment(change, assignment, deltas)
            elif (row := change.of(NODE)) is not None:
                if change.verb == Verb.DELETED:
                    self._nodes.pop(row.name, None)
                    self._deleted(row.name)
                else:
                    self._take_node(row, released)
            else:
                self._access.take(change)
        self._set_version(batch[-1].version)
        for node in released:
            deltas.pop(node, None)
            self._changed(node, self.full_set(node))
        for node, delta in deltas.items():
            if self.is_held(node):
                continue
            # In one message: a machine may not run on a node that does not know who may connect to it.
            message = AssignmentsMessage(
                version=self._version,
                items=delta.items.values(),
                removed=delta.removed,
                access=self._access.of(node) if self._connected(node) and self._access.differs(node) else None,
            )
            self._changed(node, message)
        if self._access.touched:
            self._access_sender.wake()

    def _send_access(self, node: str) -> int:
        """Send a node's access if that is due; return the size of the message."""
        if self.is_held(node) or not self._connected(node) or not self._access.differs(node):
            return 0  # it gets a full set later, or was sent it meanwhile
        message = AssignmentsMessage(version=self._version, access=self._access.of(node))
        self._changed(node, message)
        return message.ByteSize()

    def _take_node(self, row: Node, released: set[str]) -> None:
        """Take a changed row; a node's session ends when its report is waited for from now on: it reports again."""
        name, before = row.name, self._hold(row.name)
        self._nodes[name] = row
        now = self._hold(name)
        if now and now != before and (not before or now == NodeHold.UNREPORTED):
            released.discard(name)
            self._deleted(name)
        elif before and not now:
            released.add(name)

    def _hold(self, name: str) -> str:
        row = self._nodes.get(name)
        return "" if row is None else str(row.observed.get("hold", ""))  # for each change of a node: not parsed

    def _take_assignment(self, change: Change, assignment: Assignment, deltas: dict[str, Delta]) -> None:
        node, name = assignment.spec.node, assignment.name
        known = self._items[node]
        if change.verb == Verb.DELETED:
            if known.pop(name, None) is not None:
                deltas[node].items.pop(name, None)
                deltas[node].removed.add(name)
            self._access.drop(node, name)
            return
        self._access.put(assignment)
        item = item_of(assignment)
        if known.get(name) != item:
            known[name] = deltas[node].items[name] = item
            deltas[node].removed.discard(name)

    def _set_version(self, version: int) -> None:
        self._version = version
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()
