"""Keeps one machine that does not stay as it was made from being made again without end.

A machine that crashes at every start, or pauses again at every resume, is tried again at once the
first time, then after ever longer waits. A wait is forgotten when the assignment changes, or when
the machine stayed well for a while.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.agent.assignments import Assigned
from controller.agent.machine_decisions import Step
from controller.clock import Clock

FIRST = 1.0
LONGEST = 60.0
WELL = 120.0
"""Seconds between two acts after which they have nothing to do with each other."""


@dataclass
class _Act:
    assigned: Assigned
    step: Step
    at: float
    wait: float


class Repeats:
    """The last act per resource."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._acts: dict[str, _Act] = {}

    def wait(self, assigned: Assigned, step: Step) -> float:
        """Seconds until the step may be done (again); 0: now."""
        last = self._acts.get(assigned.uid)
        if last is None or last.assigned is not assigned or last.step is not step:
            return 0.0
        return max(0.0, last.at + last.wait - self._clock.monotonic())

    def done(self, assigned: Assigned, step: Step) -> None:
        """The step was done, and worked."""
        now = self._clock.monotonic()
        last = self._acts.get(assigned.uid)
        wait = 0.0
        if last is not None and last.assigned is assigned and last.step is step and now - last.at < WELL:
            wait = min(LONGEST, max(FIRST, 2 * last.wait))
        self._acts[assigned.uid] = _Act(assigned, step, now, wait)

    def forget(self, uid: str) -> None:
        """The resource is no longer assigned."""
        self._acts.pop(uid, None)
