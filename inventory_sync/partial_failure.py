"""The part that was written before a failure, added to the message of the error.

A pull or push of several requests is not a transaction. Its user learns how much was written, and that the next run
writes the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from controller.errors import InvalidInput, Problem, ResourceError


@contextmanager
def with_progress(said: Callable[[], str]) -> Iterator[None]:
    """Add ``said()``, unless it is empty, to the message of an error that is raised inside."""
    try:
        yield
    except ResourceError as error:
        words = said()
        if not words:
            raise
        if isinstance(error, InvalidInput):
            raise InvalidInput([*error.problems, Problem("", words)]) from error
        error.message = f"{error.message}; {words}"
        raise


def progress(done: int, wanted: int, what: str) -> str:
    """Return that ``done`` of ``wanted`` objects were written; an empty text when none were."""
    if not done:
        return ""
    return f"{done} of {wanted} {what} were written before; another run writes the rest"
