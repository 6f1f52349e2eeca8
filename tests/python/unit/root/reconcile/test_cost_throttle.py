"""Looks at what is large are spaced out by what they cost."""

from __future__ import annotations

from controller.clock import VirtualClock
from controller.root.reconcile.cost_throttle import FACTOR, MOST, Patience


def test_a_look_waits_a_multiple_of_what_the_last_one_cost() -> None:
    clock = VirtualClock()
    patience = Patience(clock)
    assert patience.pause("web") == 0.0
    with patience.looking(["web"]):
        clock.shift(0.1)
    assert patience.pause("web") == FACTOR * 0.1
    assert patience.pause("other") == 0.0
    with patience.looking(["web"]):
        clock.shift(60.0)
    assert patience.pause("web") == MOST
    patience.forget("web")
    assert patience.pause("web") == 0.0


def test_the_cost_of_a_look_at_many_is_shared() -> None:
    clock = VirtualClock()
    patience = Patience(clock)
    with patience.looking(["a", "b"]):
        clock.shift(0.2)
    assert patience.pause("a") == patience.pause("b") == FACTOR * 0.1
