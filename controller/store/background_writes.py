"""Statements of one transaction that run in a thread beside it, while the next rows are made.

A server of its own (PostgreSQL) stores on another core than the one on which rows become JSON; one
after the other, each would wait for the other. Order is kept: what was given runs one after the
other, and ``Transaction.connection`` waits for all of it, so that nobody ever sees less than was
written before.

After an error nothing more of it runs, and the error is raised at each later use of the connection:
such a transaction cannot commit. Not for a caller that would go on after a Conflict.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, wait


class Behind:
    """The work behind one transaction; without an executor (SQLite) it is done at once."""

    def __init__(self, executor: Executor | None) -> None:
        self._executor = executor
        self._running: list[Future[None]] = []
        self._error: BaseException | None = None

    def run(self, work: Callable[[], None]) -> None:
        """Do ``work`` after all that was given before."""
        if self._executor is None:
            self._attempt(work)
            self.settle()
        else:
            self._running.append(self._executor.submit(self._attempt, work))

    def settle(self) -> None:
        """Wait until everything is done; raise what went wrong first."""
        self._wait()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Wait until nothing runs any more, whatever came of it; what has not begun is not done."""
        self._error = self._error or CancelledError()
        self._wait()

    def _wait(self) -> None:
        running, self._running = self._running, []
        wait(running)
        for each in running:  # a thread that could not even begin says so here only
            if self._error is None:
                self._error = CancelledError() if each.cancelled() else each.exception()

    def _attempt(self, work: Callable[[], None]) -> None:
        if self._error is not None:
            return
        try:
            work()
        except BaseException as error:
            self._error = error
