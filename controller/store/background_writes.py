"""Runs statements of one transaction in a background thread while the caller prepares the next rows.

The PostgreSQL server stores rows on another core than the one that renders them as JSON, so that both work at the same
time. The order is kept: statements run one after the other, and ``Transaction.connection`` waits for all of them, so
that a read sees everything that was written before.

After an error no further statement runs, and each later use of the connection raises the error: such a transaction
cannot commit. A caller that wants to continue after a Conflict must not use it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, wait


class BackgroundWrites:
    """The background work of one transaction; without an executor (SQLite) it runs in the foreground."""

    def __init__(self, executor: Executor | None) -> None:
        self._executor = executor
        self._running: list[Future[None]] = []
        self._error: BaseException | None = None

    def run(self, work: Callable[[], None]) -> None:
        """Run ``work`` after all earlier work."""
        if self._executor is None:
            self._attempt(work)
            self.settle()
        else:
            self._running.append(self._executor.submit(self._attempt, work))

    def settle(self) -> None:
        """Wait until all work is done; raise the first error."""
        self._wait()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Wait until no work runs, and ignore errors; work that has not begun is dropped."""
        self._error = self._error or CancelledError()
        self._wait()

    def _wait(self) -> None:
        running, self._running = self._running, []
        wait(running)
        for each in running:  # the error of a thread that did not start is raised only here
            if self._error is None:
                self._error = CancelledError() if each.cancelled() else each.exception()

    def _attempt(self, work: Callable[[], None]) -> None:
        if self._error is not None:
            return
        try:
            work()
        except BaseException as error:
            self._error = error
