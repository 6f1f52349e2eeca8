"""Sees when the folders of a node's state are not its own any more, for the agent, which then stops acting.

A folder may be deleted, unmounted, replaced by another node's, or become read-only while the agent runs. The guard
compares what is at the path with what the node's first start marked (``state_identity``), at an interval and before
each step. A folder that is its own again is used again, also after a remount.

Files are written through a descriptor of the folder: what is written between two looks goes to the node's own folder
or nowhere, and never to the host's folder at the same path.

Not promised: that a step that has begun is stopped. A look takes a thread, for a disk may hang.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from controller.agent import state_identity
from controller.agent.atomic_file import open_folder, write_durably
from controller.agent.state_identity import StateIdentity
from controller.errors import Unavailable

_log = structlog.get_logger("agent.state")

LOOK_SECONDS = 10.0
"""How long a look may take until the disk counts as away."""

_CLOSE_SECONDS = 1.0

T = TypeVar("T")

_IDLE = "nothing is started, moved or removed until it is back"


class StateGuard:
    """The folders of one node; ``folders[0]`` is the one that ``write`` writes to."""

    def __init__(
        self, folders: Sequence[Path], *, node: str, cluster: str = "", credentials: Path | None = None
    ) -> None:
        """``credentials``: the folder of the node's certificate; it shows at a start that there must be state."""
        self._folders = list(dict.fromkeys(folders))
        self._credentials = credentials
        self._node, self._cluster = node, cluster
        self._identity: StateIdentity | None = None
        self._handle: int | None = None
        self._lock = threading.Lock()
        self._looking: asyncio.Future[str] | None = None
        self._lost = "the state of this node has not been read"
        self._unwritten = ""
        self._accepted = False

    @property
    def reason(self) -> str:
        """Return why the agent must not act, or cannot store what it must; empty when all is well."""
        return self._lost or self._unwritten

    async def claim(self, read: Callable[[], T]) -> T | None:
        """Find the folders to be this node's, and mark them at its first start; return what ``read`` then returns.

        ``read`` runs in a thread and changes nothing: its result may come too late to be used. None: the folders are
        not this node's, or hang; ``reason`` says which.
        """
        found: list[T] = []

        def work() -> str:
            lost = self._locked_claim()
            if not lost:
                found.append(read())
            return lost

        lost = await self._in_thread(work)
        if lost:
            self._show(lost)
        # A call that was still on its way from an earlier time has read nothing for this one: the next time does.
        return found[0] if found and not lost else None

    def accept(self) -> None:
        """Begin to act: the agent has loaded what the claimed folders hold."""
        self._accepted = True
        self._show("")

    async def check(self) -> None:
        """Look, and raise Unavailable unless every folder is the node's own."""
        await self.refresh()
        self.require()

    def require(self) -> None:
        """Raise Unavailable unless every folder was the node's own at the last look."""
        if self._lost:
            raise Unavailable(self._lost)

    async def refresh(self) -> None:
        """Look at the folders, and log a change."""
        if not self._accepted:
            return
        self._show(await self._in_thread(self._locked_look))

    def write(self, path: Path, content: bytes) -> None:
        """Write a file of ``folders[0]`` durably; raises Unavailable when the folder is not its own. Blocks."""
        with self._lock:
            if lost := self._look():
                raise Unavailable(lost)
            try:
                write_durably(path, content, folder=self._handle)
            except OSError as error:
                self._unwritten = f"cannot write {path}: {error.strerror}"
                raise Unavailable(self._unwritten) from error
            self._unwritten = ""

    def close(self) -> None:
        """Release the folder; one that hangs is left to the end of the process."""
        if self._lock.acquire(timeout=_CLOSE_SECONDS):
            try:
                self._release()
            finally:
                self._lock.release()

    async def _in_thread(self, look: Callable[[], str]) -> str:
        """Return why the state is away, as ``look`` finds it, or that the folder hangs. One look runs at a time."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().run_in_executor(None, look)
        looking = self._looking
        await asyncio.wait({looking}, timeout=LOOK_SECONDS)
        return looking.result() if looking.done() else f"the state folder {self._folders[0]} hangs; {_IDLE}"

    def _locked_claim(self) -> str:
        with self._lock:
            try:
                self._identity = state_identity.claim(self._folders, self._node, self._cluster, self._credentials)
                return self._look()
            except Unavailable as error:
                return f"{error.message}; {_IDLE}"
            except OSError as error:
                return f"the state folder {error.filename or self._folders[0]}: {error.strerror}; {_IDLE}"

    def _locked_look(self) -> str:
        with self._lock:
            return self._look()

    def _look(self) -> str:
        """Return why a folder is not the node's own; empty when all are."""
        for folder in self._folders:
            if lost := self._look_at(folder):
                self._release()  # else the file system could not be unmounted
                return f"the state folder {folder} {lost}; {_IDLE}"
        return ""

    def _look_at(self, folder: Path) -> str:
        try:
            status = folder.stat()
            identity = state_identity.read(folder)
            if identity is None:
                return f"is not the state of {self._identity}: it has no {state_identity.FILE} (is it mounted?)"
            if identity != self._identity:
                whose = str(identity) if str(identity) != str(self._identity) else "another installation of this node"
                return f"is the state of {whose}"
            if not os.access(folder, os.W_OK | os.X_OK):
                return "is read-only"
            if folder == self._folders[0] and not self._is_open(status):
                self._release()
                self._handle = open_folder(folder)
        except FileNotFoundError:
            return "does not exist"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        except Unavailable as error:
            return f"cannot be read: {error.message}"
        return ""

    def _is_open(self, status: os.stat_result) -> bool:
        if self._handle is None:
            return False
        opened = os.fstat(self._handle)
        return (opened.st_dev, opened.st_ino) == (status.st_dev, status.st_ino)

    def _release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _show(self, lost: str) -> None:
        if lost == self._lost:
            return
        if lost:
            _log.error("the node's state is away", error=lost)
        elif self._identity is not None and self._lost.endswith(_IDLE):
            _log.warning("the node's state is its own again", folder=str(self._folders[0]))
        self._lost = lost
