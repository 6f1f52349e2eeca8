"""Waits until what a command requested has happened, and shows how far it is.

On a terminal a command waits by itself, and Ctrl-C ends the wait, not the work. Elsewhere it waits only with ``--wait
SECONDS``: a script's command returns as it always did. Progress goes to stderr, one line for each change, so that
stdout has the result alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import typer

from controller.cli.exit_codes import ExitCode, UsageProblem
from controller.cli.session import Session
from controller.client.kinds import ResourceName
from controller.errors import NotFound, TemporaryError
from controller.printable import printable

Document = Mapping[str, Any]
_POLL_SECONDS = 1.0

WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        help="Wait at most this long until it is done. Default: on a terminal until it is done, else not at all.",
        min=0,
    ),
]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="Do not wait, on a terminal either.")]


class Progress(NamedTuple):
    """How far a resource is: one line; ``failed``: it will not get there by itself."""

    line: str
    done: bool = False
    failed: bool = False


@dataclass(frozen=True)
class Waited:
    """What was last seen of each resource (None: it does not exist), and the exit code."""

    items: Sequence[Document | None]
    exit_code: ExitCode


def seconds_of(wait: float | None, *, no_wait: bool) -> float | None:
    """Return how long to wait; None: not at all. Raises UsageProblem when both options are given."""
    if no_wait:
        if wait is not None:
            raise UsageProblem("--wait cannot be used with --no-wait")
        return None
    if wait is not None:
        return wait or None
    return float("inf") if sys.stdout.isatty() else None


def until_done(
    session: Session, keys: Sequence[ResourceName], progress: Callable[[Document | None], Progress], seconds: float
) -> Waited:
    """Wait until all resources are done or failed. Exit codes: 0 all done, 1 one failed, 6 the time is over.

    A server that cannot be reached for a while is asked again until the time is over.
    """
    deadline = time.monotonic() + seconds
    shown: dict[ResourceName, str] = {}
    try:
        while True:
            items = [_found(session, key, shown) for key in keys]
            steps = [progress(item) if item is not _UNKNOWN else Progress("") for item in items]
            for key, step in zip(keys, steps, strict=True):
                _show(key, step.line, shown)
            if all(step.done or step.failed for step in steps):
                code = ExitCode.ERROR if any(step.failed for step in steps) else ExitCode.DONE
                return Waited(items, code)
            if time.monotonic() >= deadline:
                return Waited([None if item is _UNKNOWN else item for item in items], ExitCode.TRY_AGAIN)
            time.sleep(min(_POLL_SECONDS, max(deadline - time.monotonic(), 0)))
    except KeyboardInterrupt:
        sys.stderr.write("\nno longer waiting; the work goes on\n")
        raise typer.Exit(ExitCode.TRY_AGAIN) from None


_UNKNOWN: Document = {}


def _found(session: Session, key: ResourceName, shown: dict[ResourceName, str]) -> Document | None:
    try:
        return session.get(key)
    except NotFound:
        return None
    except TemporaryError as error:
        _show(key, str(error.message), shown)
        return _UNKNOWN


def _show(key: ResourceName, line: str, shown: dict[ResourceName, str]) -> None:
    if line and shown.get(key) != line:
        shown[key] = line
        sys.stderr.write(printable(f"{key.names[-1]}: {line}") + "\n")
        sys.stderr.flush()
