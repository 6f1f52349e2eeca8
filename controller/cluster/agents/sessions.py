"""Live sessions of agents: one per node, the newest wins; heartbeats gathered, assignments sent.

A quiet session costs two tasks that wait, so that thousands of agents cost a few heartbeats a
second and nothing else. Heartbeats are written once a second for all nodes together.

Ordering: a session's first message down is the node's whole set, as fresh as the database was when
the agent said hello; then changes in the order of their versions. An agent that does not keep up
is cut off once too much waits for it: it comes back and is told everything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping

import structlog

from controller.clock import Clock
from controller.cluster.agents.assignment_index import Roster
from controller.cluster.agents.batch_write import write_apart
from controller.errors import ResourceError, TemporaryError
from controller.store import processes
from controller.store.database import Database, Transaction
from controller.wire.agent_pb2 import ApiMessage
from controller.wire.agent_pb2 import Assignments as AssignmentsMessage

_MOST_WAITING = 1000


class AgentSession:
    """The stream of one agent: what waits to be sent to it."""

    def __init__(self, node: str) -> None:
        self.node = node
        self._waiting: deque[AssignmentsMessage] = deque()
        self._news = asyncio.Event()
        self._ended = False

    def send(self, message: AssignmentsMessage) -> None:
        """Send a message after those that wait already; a whole set replaces them."""
        if message.full:
            self._waiting.clear()
        self._waiting.append(message)
        if len(self._waiting) > _MOST_WAITING:
            self.end()
        self._news.set()

    def end(self) -> None:
        """Cut the stream."""
        self._ended = True
        self._news.set()

    async def messages(self) -> AsyncIterator[ApiMessage]:
        """What is to be sent, until the session ends."""
        while not self._ended:
            self._news.clear()
            while self._waiting and not self._ended:
                yield ApiMessage(assignments=self._waiting.popleft())
            if not self._ended:
                await self._news.wait()


class Sessions:
    """All sessions of this process; ``run`` must be kept running."""

    def __init__(self, db: Database, clock: Clock, flush_seconds: float = 1.0) -> None:
        self._db = db
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._live: dict[str, AgentSession] = {}
        self._beats: dict[str, tuple[bool, str]] = {}
        self._stopping = False
        self._log = structlog.get_logger("sessions")

    def __len__(self) -> int:
        return len(self._live)

    def connected(self, node: str) -> bool:
        """Whether the node's agent has a session; may be asked from any thread."""
        return node in self._live

    def open(self, session: AgentSession, roster: Roster) -> None:
        """Begin: an older session of the node ends, the whole set goes out."""
        older = self._live.get(session.node)
        self._live[session.node] = session
        if older is not None:
            older.end()
        session.send(roster.whole(session.node))

    def close(self, session: AgentSession) -> None:
        """The session's stream has ended."""
        session.end()
        if self._live.get(session.node) is session:
            del self._live[session.node]

    def changed(self, node: str, message: AssignmentsMessage) -> None:
        """Tell a node's agent, if it is here."""
        session = self._live.get(node)
        if session is not None:
            session.send(message)

    def all_anew(self, roster: Roster) -> None:
        """Tell every agent its whole set."""
        for session in self._live.values():
            session.send(roster.whole(session.node))

    def cut(self, node: str) -> None:
        """The node is no more. Should it be made again, its agent has to say anew what it has."""
        session = self._live.get(node)
        if session is not None:
            session.end()

    def stop(self) -> None:
        """Cut every stream: the process drains, the agents go elsewhere. ``run`` ends soon."""
        self._stopping = True
        for session in list(self._live.values()):
            session.end()

    def beat(self, node: str, healthy: bool = True, message: str = "") -> None:
        """A sign of life."""
        self._beats[node] = (healthy, message)

    async def run(self) -> None:
        """Write heartbeats until ``stop``."""
        while not self._stopping:
            await self._clock.sleep(self._flush_seconds)
            await self.flush()

    async def flush(self) -> None:
        """Write the heartbeats that came since the last time, as of now."""
        beats, self._beats = self._beats, {}
        if not beats:
            return
        for part, outcome in await write_apart(self._write, beats):
            if isinstance(outcome, TemporaryError):
                self._log.warning("heartbeats not written", error=outcome.message, nodes=len(part))
                self._beats = {**part, **self._beats}
            elif isinstance(outcome, ResourceError):
                ((node, (healthy, message)),) = part.items()
                self._log.warning("heartbeat refused", node=node, error=outcome.message)
                if message:  # the node lives all the same: its next beat goes without the message
                    self._beats.setdefault(node, (healthy, ""))

    async def _write(self, beats: Mapping[str, tuple[bool, str]]) -> None:
        def write(tx: Transaction) -> None:
            processes.beat(tx, {node: (tx.now, healthy, message) for node, (healthy, message) in beats.items()})

        await self._db.awrite(write)
