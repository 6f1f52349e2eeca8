"""Errors of the database drivers as errors of this project, and when a transaction may run again.

``wrapped`` stands around each transaction. ``Again`` is raised for what had no effect: a deadlock, or a connection that
was lost before the commit. A connection that is lost during the commit is ``TimedOut``: the outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from controller.errors import Conflict, InvalidInput, Problem, TimedOut, Unavailable
from controller.store import engines

_TRIES = 5


class Again(Exception):
    """Raised when the transaction had no effect and may run again; ``error`` is raised after the last attempt."""

    def __init__(self, error: Unavailable) -> None:
        super().__init__(error.message)
        self.error = error


class Stage:
    """How far a transaction has come."""

    committing = False


@contextmanager
def wrapped() -> Iterator[Stage]:
    """Raise errors of the drivers as ResourceErrors."""
    stage = Stage()
    try:
        yield stage
    except IntegrityError as error:
        raise Conflict(f"taken already: {_first_line(error)}") from error
    except DataError as error:
        raise InvalidInput([Problem("", f"the database refuses the value: {_first_line(error)}")]) from error
    except OverflowError as error:  # SQLite's driver raises it for an integer that is too large
        raise InvalidInput([Problem("", f"the database refuses the value: {error}")]) from error
    except OperationalError as error:
        if stage.committing and error.connection_invalidated:
            raise TimedOut("the database went away in a commit; whether it took effect is unknown") from error
        unavailable = Unavailable(f"database: {_first_line(error)}")
        if error.connection_invalidated or engines.is_conflict(error):
            raise Again(unavailable) from error
        raise unavailable from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Again(Unavailable(f"database: {_first_line(error)}")) from error
        raise


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def tries() -> Iterator[bool]:
    """Yield for each attempt whether it is the last one."""
    for number in range(1, _TRIES + 1):
        yield number == _TRIES
