"""A peer that calls without end is refused, and others are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.errors import TooManyRequests
from controller.rpc.call_limits import PEER_BURST, STRANGER_BURST, CallLimits
from controller.rpc.errors import status_of, to_metadata


class Context:
    """What a call shows of its caller."""

    def __init__(self, peer: str, *names: bytes) -> None:
        self._peer = peer
        self._names = names

    def auth_context(self) -> Mapping[str, tuple[bytes, ...]]:
        return {"x509_subject_alternative_name": self._names} if self._names else {}

    def peer(self) -> str:
        return self._peer


def calls_until_refused(limits: CallLimits, context: Any) -> int:
    for number in range(100_000):
        try:
            limits.admit(context)
        except TooManyRequests:
            return number
    raise AssertionError("never refused")


def test_a_peer_is_known_by_its_certificate_whatever_its_address(clock: VirtualClock) -> None:
    met: Counter[str] = Counter()
    limits = CallLimits(clock, lambda name: met.update([name]))
    node: Any = Context("ipv4:192.0.2.1:1000", b"resource://tokyo1/node/a")
    assert calls_until_refused(limits, node) == PEER_BURST
    moved: Any = Context("ipv4:192.0.2.2:1000", b"resource://tokyo1/node/a")
    with pytest.raises(TooManyRequests) as raised:
        limits.admit(moved)
    assert raised.value.retry_after > 0
    other: Any = Context("ipv4:192.0.2.1:1000", b"resource://tokyo1/node/b")
    limits.admit(other)
    clock.shift(1)
    limits.admit(node)
    assert met == {"calls_of_peer": 2}


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("ipv4:192.0.2.1:1000", "ipv4:192.0.2.1:1001", "ipv4:192.0.2.2:1000"),
        ("ipv6:%5B2001:db8::1%5D:1000", "ipv6:%5B2001:db8::2%5D:1", "ipv6:%5B2001:db8:1::1%5D:1000"),
        ("ipv6:[2001:db8::1]:1000", "ipv6:[2001:db8::2]:1", "unix:"),
    ],
)
def test_a_stranger_is_known_by_its_address(clock: VirtualClock, one: Any, same: Any, other: Any) -> None:
    limits = CallLimits(clock)
    assert calls_until_refused(limits, Context(one)) == STRANGER_BURST
    assert calls_until_refused(limits, Context(same)) == 0
    limits.admit(Context(other))  # type: ignore[arg-type]


def test_the_refusal_is_temporary_for_our_callers() -> None:
    error = TooManyRequests("node a calls too often", 3.5)
    assert status_of(error).name == "RESOURCE_EXHAUSTED"
    assert b'"retry_after": 3.5' in to_metadata(error)[0][1]
