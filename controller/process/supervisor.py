"""Runs other processes: starts them, restarts one that dies, ends them all (``resourcectl up``).

Each child leads a process group of its own, so that a Ctrl-C at the terminal reaches only the supervisor, and so that
the processes that a child leaves behind are killed with it. If the supervisor is killed, the kernel kills the children
(PR_SET_PDEATHSIG, set by setpriv).

Ordering: children are started in the given order, without waiting for one another; all are ended at the same time.
Not promised: that daemons of a child, in sessions of their own, end too. A Supervisor belongs to one event loop in the
main thread, because the kernel ties a child to the thread that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from controller.clock import Clock, SystemClock
from controller.loop import Backoff

RESTART = Backoff(first=0.5, factor=2.0, cap=15.0, jitter=0.2)

_STEADY_SECONDS = 30.0
"""A child that ran this long is restarted as if it had never failed."""


_MAY_START_SECONDS = 1.0
"""Between two questions whether a child may be started."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own."""
    log: Path | None = None
    """Takes standard output and error; None: the supervisor's own."""


@dataclass(slots=True)
class ChildState:
    """The state of a child."""

    pid: int | None = None
    starts: int = 0
    last_exit: int | None = None
    """Exit status; negative: killed by that signal."""


class Supervisor:
    """Keeps children running from ``run`` until ``stop``."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        clock: Clock | None = None,
        grace_seconds: float = 30.0,
        backoff: Backoff = RESTART,
        died: Callable[[Child, int], None] = lambda child, status: None,
        may_start: Callable[[], bool] = lambda: True,
        source: random.Random | None = None,
    ) -> None:
        """``grace_seconds``: from SIGTERM to SIGKILL at the end. ``died``: called after each unrequested end.

        While ``may_start`` returns False nothing is started; what runs is left alone.
        """
        assert len({child.name for child in children}) == len(children), "names of children must be unique"
        self._children = children
        self._clock = clock or SystemClock()
        self._grace = grace_seconds
        self._backoff = backoff
        self._died = died
        self._may_start = may_start
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger("supervisor")
        self.states = {child.name: ChildState() for child in children}
        """By name of the child; for showing."""

    def stop(self) -> None:
        """End all children; ``run`` returns after the last one has ended."""
        self._stopping.set()

    async def run(self, *, signals: bool = True) -> None:
        """Run until ``stop``, SIGTERM or SIGINT; no child lives on afterwards, however this ends."""
        loop = asyncio.get_running_loop()
        handled = (signal.SIGTERM, signal.SIGINT) if signals else ()
        for number in handled:
            loop.add_signal_handler(number, self.stop)
        try:
            async with asyncio.TaskGroup() as tasks:
                for child in self._children:
                    tasks.create_task(self._keep(child), name=child.name)
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def _keep(self, child: Child) -> None:
        failures = 0
        while not self._stopping.is_set():
            if not self._may_start():
                await self._until_stop(self._clock.sleep(_MAY_START_SECONDS))
                continue
            begin = self._clock.monotonic()
            status = await self._run_once(child)
            if self._stopping.is_set():
                return
            failures = 1 if self._clock.monotonic() - begin >= _STEADY_SECONDS else failures + 1
            pause = self._backoff.delay(failures, self._random)
            self._log.warning("child died", child=child.name, status=status, restart_in=round(pause, 2))
            self._died(child, status)
            await self._until_stop(self._clock.sleep(pause))

    async def _run_once(self, child: Child) -> int:
        """Start a child and wait for its end, or end it when we stop; returns its exit status."""
        state = self.states[child.name]
        try:
            process = await self._spawn(child)
        except OSError as error:
            self._log.error("child does not start", child=child.name, error=str(error))
            state.last_exit = 127
            return 127
        state.pid = process.pid
        state.starts += 1
        try:
            ended = asyncio.ensure_future(process.wait())
            await self._until_stop(asyncio.shield(ended))
            if not ended.done():
                _signal(process.pid, signal.SIGTERM, group=False)
                await asyncio.wait([ended], timeout=self._grace)
            if not ended.done():
                self._log.error("child does not end; killed", child=child.name, after=self._grace)
        finally:
            # The child if it still lives, and whatever it left behind in its group.
            _signal(process.pid, signal.SIGKILL, group=True)
            state.last_exit = await asyncio.shield(process.wait())
            state.pid = None
        return state.last_exit

    async def _spawn(self, child: Child) -> asyncio.subprocess.Process:
        with contextlib.ExitStack() as files:
            output = None
            if child.log is not None:
                child.log.parent.mkdir(parents=True, exist_ok=True)
                output = files.enter_context(child.log.open("ab"))
            return await asyncio.create_subprocess_exec(
                "setpriv",
                "--pdeathsig=KILL",
                "--",
                *child.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **child.environment},
                start_new_session=True,
            )

    async def _until_stop(self, waited: Awaitable[object]) -> None:
        """Wait for ``waited`` (cancelled afterwards) or for ``stop``."""
        tasks = [asyncio.ensure_future(waited), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()


def _signal(pid: int, number: signal.Signals, *, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(pid, number)
