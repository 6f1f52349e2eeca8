"""Exit codes, and errors as one line per problem on stderr.

::

0  success
    1  error: the server failed, or any error without a code of its own
    2  usage: wrong option or argument, unreadable file
    3  not found
4  refused: in use, taken, stale, no room, wrong token or role
    5  invalid: a document violates the rules of its kind
    6  try again: the server cannot be reached, or did not answer in time
    7  differs: only from ``diff --exit-code``
    8  done in part: only from ``netbox pull`` and ``netbox diff``, when objects of NetBox were skipped
"""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import TextIO

from controller import errors
from controller.printable import printable


class ExitCode(IntEnum):
    """Exit codes of ``resourcectl``."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    INVALID = 5
    TRY_AGAIN = 6
    DIFFERS = 7
    PARTIAL = 8


_REFUSALS = (
    errors.Unauthenticated,
    errors.Forbidden,
    errors.Conflict,
    errors.VersionsGone,
    errors.PreconditionFailed,
    errors.NoRoom,
    errors.AddressesExhausted,
    errors.StaleTerm,
)


class UsageProblem(errors.PermanentError):
    """Raised when options or files are wrong or missing; the message names the option."""

    code = "usage"


def exit_code(error: errors.ResourceError) -> ExitCode:
    """Return the exit code of an error."""
    match error:
        case UsageProblem():
            return ExitCode.USAGE
        case errors.NotFound():
            return ExitCode.NOT_FOUND
        case errors.InvalidInput() | errors.TooLarge() | errors.ImageInvalid():
            return ExitCode.INVALID
        case errors.TemporaryError():
            return ExitCode.TRY_AGAIN
        case _ if isinstance(error, _REFUSALS):
            return ExitCode.REFUSED
        case _:
            return ExitCode.ERROR


def lines(error: errors.ResourceError) -> list[str]:
    """Return one line per problem, with the path of its field."""
    match error:
        case errors.InvalidInput() if error.problems:
            return [str(problem) for problem in error.problems]
        case errors.Conflict() if error.users:
            more = error.user_count - len(error.users)
            rest = [f"and {more} more"] if more > 0 else []
            return [error.message, *(f"  used by {user}" for user in error.users), *(f"  {line}" for line in rest)]
        case errors.NoRoom() if error.reasons:
            return [error.message, *(f"  {count} x {reason}" for reason, count in sorted(error.reasons.items()))]
        case _:
            return [error.message]


def report(error: errors.ResourceError, stream: TextIO | None = None) -> ExitCode:
    """Write the problems to ``stream`` (stderr) and return the exit code."""
    out = stream if stream is not None else sys.stderr
    for line in lines(error):
        prefix = "" if line.startswith("  ") else "error: "
        first, *more = line.split("\n")  # output of a program that failed
        out.write(f"{prefix}{printable(first)}\n")
        out.writelines(f"    {printable(each)}\n" for each in more)
    return exit_code(error)
