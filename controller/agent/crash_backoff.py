"""Delays repeated steps for one machine that does not stay in its desired state, for the machine reconciler.

A machine that crashes at every start, or pauses again at every resume, is retried at once the
first time, then after growing delays. The delay is reset when the assignment changes, or when the
machine stayed in its desired state for ``STABLE_SECONDS``.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.agent.assignments import Assigned
from controller.agent.machine_decisions import Step
from controller.clock import Clock

FIRST_SECONDS = 1.0
MAX_SECONDS = 60.0
STABLE_SECONDS = 120.0
"""A step that comes later than this after the last one does not count as its repetition."""


@dataclass
class _LastStep:
    assigned: Assigned
    step: Step
    at: float
    delay: float


class CrashBackoff:
    """The last successful step per resource."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: dict[str, _LastStep] = {}

    def delay(self, assigned: Assigned, step: Step) -> float:
        """Return the seconds until the step may be taken (again); 0: now."""
        last = self._steps.get(assigned.uid)
        if last is None or last.assigned is not assigned or last.step is not step:
            return 0.0
        return max(0.0, last.at + last.delay - self._clock.monotonic())

    def record(self, assigned: Assigned, step: Step) -> None:
        """Record that the step was taken and succeeded."""
        now = self._clock.monotonic()
        last = self._steps.get(assigned.uid)
        delay = 0.0
        if last is not None and last.assigned is assigned and last.step is step and now - last.at < STABLE_SECONDS:
            delay = min(MAX_SECONDS, max(FIRST_SECONDS, 2 * last.delay))
        self._steps[assigned.uid] = _LastStep(assigned, step, now, delay)

    def forget(self, uid: str) -> None:
        """Forget a resource that is no longer assigned."""
        self._steps.pop(uid, None)
