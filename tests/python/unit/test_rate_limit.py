"""Token buckets: nobody gets more than the burst and the rate allow, and memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.clock import VirtualClock
from controller.rate_limit import LOCAL, RateLimit, address_of


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from("ab")), max_size=200))
def test_nobody_gets_more_than_burst_and_rate(steps: list[tuple[float, str]]) -> None:
    clock = VirtualClock()
    limit = RateLimit(2.0, 5.0, clock)
    taken = {"a": 0, "b": 0}
    for seconds, name in steps:
        clock.shift(seconds)
        wait = limit.wait(name)
        taken[name] += wait == 0
        assert taken[name] <= 5 + 2 * clock.monotonic() + 1e-6
        if wait:
            clock.shift(wait)
            assert limit.wait(name) < 1e-6, "what it said is true"
            taken[name] += 1


def test_what_is_charged_is_paid_later() -> None:
    clock = VirtualClock()
    limit = RateLimit(1.0, 10.0, clock)
    limit.charge("a", 30)
    assert limit.wait("a") == pytest.approx(21)
    assert limit.wait("b") == 0
    clock.shift(21)
    assert limit.wait("a") == 0


def test_what_is_given_back_was_not_taken() -> None:
    limit = RateLimit(1.0, 2.0, VirtualClock())
    for _ in range(100):
        assert limit.wait("a") == 0
        limit.give_back("a")
    assert len(limit) == 0
    assert [limit.wait("a") for _ in range(3)] == [0, 0, pytest.approx(1)]


def test_an_amount_above_the_burst_waits_for_a_full_bucket_only() -> None:
    limit = RateLimit(1.0, 10.0, VirtualClock())
    assert limit.wait("a", 25) == 0
    assert limit.wait("a", 25) == pytest.approx(25)


def test_invented_names_cost_no_memory() -> None:
    limit = RateLimit(1.0, 2.0, VirtualClock(), most=100)
    for number in range(10_000):
        limit.wait(str(number))
    assert len(limit) == 100


@pytest.mark.parametrize(
    ("host", "address"),
    [
        (None, LOCAL),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_stands_for_one_client(host: str | None, address: str) -> None:
    assert address_of(host) == address
