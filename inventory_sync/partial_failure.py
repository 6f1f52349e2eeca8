"""What had been written when something failed: told with the error, which stays what it was.

A pull or push of several requests is no transaction. Whoever runs it is told how far it came, and
that the next run writes what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from controller.errors import InvalidInput, Problem, ResourceError


@contextmanager
def told(said: Callable[[], str]) -> Iterator[None]:
    """Add ``said()``, where it says anything, to an error on its way out."""
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
    """``done`` of ``wanted`` things had been written; nothing where none had."""
    if not done:
        return ""
    return f"{done} of {wanted} {what} had been written before; another run writes the rest"
