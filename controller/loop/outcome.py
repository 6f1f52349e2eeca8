"""What came of one attempt at one key, as a value.

Loops hand each ``Outcome`` to their ``report`` callable and decide nothing from what it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import structlog

from controller.errors import InternalError, PermanentError, TemporaryError


class Verdict(StrEnum):
    """The kinds of outcome."""

    DONE = "Done"
    """The key is as it should be."""
    RETRY = "Retry"
    """A passing trouble; tried again after a back-off."""
    REFUSED = "Refused"
    """Trying again cannot help; tried again only when woken or at the resync."""
    BROKEN = "Broken"
    """An error that our code, or a peer's, did not foresee; tried again after a back-off."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt at one key."""

    loop: str
    key: str
    verdict: Verdict
    error: BaseException | None = None
    retry_in: float | None = None
    """Seconds until the loop comes back by itself (resync apart); None: it does not."""
    repeated: bool = False
    """True: reported already, as the same refusal of this key or the same trouble of the whole batch."""


def verdict_of(error: BaseException) -> Verdict:
    """The verdict that an error stands for."""
    if isinstance(error, TemporaryError) and not isinstance(error, InternalError):
        return Verdict.RETRY
    return Verdict.REFUSED if isinstance(error, PermanentError) else Verdict.BROKEN


def log_outcome(outcome: Outcome) -> None:
    """Log what went wrong: refusals once, broken code with its trace, retries quietly."""
    if outcome.verdict is Verdict.DONE:
        return
    log = structlog.get_logger("loop").bind(loop=outcome.loop, key=outcome.key)
    match outcome.verdict:
        case Verdict.RETRY if not outcome.repeated:
            log.info("retry", error=str(outcome.error), retry_in=outcome.retry_in)
        case Verdict.REFUSED if not outcome.repeated:
            log.warning("refused", error=str(outcome.error))
        case Verdict.BROKEN if not outcome.repeated:
            log.error("broken", error=repr(outcome.error), retry_in=outcome.retry_in, exc_info=outcome.error)
