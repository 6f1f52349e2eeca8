"""Live sessions of agents: one per node, the newest wins; each sends its agent the node's assignments.

A quiet session costs two tasks that wait, so that thousands of agents cost a few heartbeats a
second and nothing else.

Ordering: a session's first message down is the node's full set, as fresh as the database was when
the agent registered; then changes in the order of their versions. The session of an agent that does
not keep up ends once too much waits for it; the agent reconnects and receives its full set.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from controller.cluster.agents.assignment_index import AssignmentIndex
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
        """Send a message after those that wait already; a full set replaces them."""
        if message.full:
            self._waiting.clear()
        self._waiting.append(message)
        if len(self._waiting) > _MOST_WAITING:
            self.end()
        self._news.set()

    def end(self) -> None:
        """End the stream."""
        self._ended = True
        self._news.set()

    async def messages(self) -> AsyncIterator[ApiMessage]:
        """Return what is to be sent, until the session ends."""
        while not self._ended:
            self._news.clear()
            while self._waiting and not self._ended:
                yield ApiMessage(assignments=self._waiting.popleft())
            if not self._ended:
                await self._news.wait()


class Sessions:
    """All sessions of this process."""

    def __init__(self) -> None:
        self._live: dict[str, AgentSession] = {}

    def __len__(self) -> int:
        return len(self._live)

    def connected(self, node: str) -> bool:
        """Return whether the node's agent has a session; may be called from any thread."""
        return node in self._live

    def open(self, session: AgentSession, index: AssignmentIndex) -> None:
        """Begin a session: end an older one of the node and send the full set, unless the node is held."""
        older = self._live.get(session.node)
        self._live[session.node] = session
        if older is not None:
            older.end()
        if not index.is_held(session.node):
            session.send(index.full_set(session.node))

    def close(self, session: AgentSession) -> None:
        """Forget a session whose stream has ended."""
        session.end()
        if self._live.get(session.node) is session:
            del self._live[session.node]

    def send_changes(self, node: str, message: AssignmentsMessage) -> None:
        """Send changes to a node's agent, if it has a session here."""
        session = self._live.get(node)
        if session is not None:
            session.send(message)

    def send_full_sets(self, index: AssignmentIndex) -> None:
        """Send every agent its full set, but those of nodes that are held."""
        for session in self._live.values():
            if not index.is_held(session.node):
                session.send(index.full_set(session.node))

    def end_session(self, node: str) -> None:
        """End the session of a deleted node. If the node is made again, its agent has to register again."""
        session = self._live.get(node)
        if session is not None:
            session.end()

    def stop(self) -> None:
        """End every stream: the process drains, the agents connect to another one."""
        for session in list(self._live.values()):
            session.end()
