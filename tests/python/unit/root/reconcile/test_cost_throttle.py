"""Looks at what is large are spaced out by what they cost."""

from __future__ import annotations

from controller.clock import VirtualClock
from controller.root.reconcile.cost_throttle import FACTOR, MOST, CostThrottle


def test_a_look_waits_a_multiple_of_what_the_last_one_cost() -> None:
    clock = VirtualClock()
    throttle = CostThrottle(clock)
    assert throttle.pause("web") == 0.0
    with throttle.measure(["web"]):
        clock.shift(0.1)
    assert throttle.pause("web") == FACTOR * 0.1
    assert throttle.pause("other") == 0.0
    with throttle.measure(["web"]):
        clock.shift(60.0)
    assert throttle.pause("web") == MOST
    throttle.forget("web")
    assert throttle.pause("web") == 0.0


def test_the_cost_of_a_look_at_many_is_shared() -> None:
    clock = VirtualClock()
    throttle = CostThrottle(clock)
    with throttle.measure(["a", "b"]):
        clock.shift(0.2)
    assert throttle.pause("a") == throttle.pause("b") == FACTOR * 0.1
