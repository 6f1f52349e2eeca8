"""Token buckets: how often somebody may do something, for each who does it.

A bucket holds ``burst`` at most and fills with ``per_second``. What is taken must be in it; ``charge`` takes also what
is not there, so that costly work is paid for afterwards. Only those are remembered whose bucket is not full, and of
them ``most`` at most, the last used ones: memory does not grow with invented names. Who is forgotten has a full bucket
again, which ``most`` different callers can bring about; the limit of all of them together is another one.

Pure but for the clock; belongs to one thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from controller.clock import Clock

Reached = Callable[[str], None]
"""Called with the name of a limit each time that somebody meets it (metrics)."""
LOCAL = "local"
"""The address of every client of a unix socket."""


def ignore_limit(name: str) -> None:
    """Record nothing."""


class RateLimit:
    """One bucket for each name."""

    def __init__(self, per_second: float, burst: float, clock: Clock, most: int = 10_000) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._most = most
        self._missing: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What is missing in a bucket, and since when; the last used one is last."""

    def __len__(self) -> int:
        return len(self._missing)

    def wait(self, name: str, amount: float = 1.0) -> float:
        """Take ``amount`` and return 0, or take nothing and return after how many seconds it will be there."""
        missing = self._now_missing(name)
        over = missing + min(amount, self._burst) - self._burst
        if over > 0:
            return over / self._per_second
        self._remember(name, missing + amount)
        return 0.0

    def charge(self, name: str, amount: float) -> None:
        """Take ``amount`` whether it is there or not: later callers of that name wait for it."""
        self._remember(name, self._now_missing(name) + amount)

    def give_back(self, name: str, amount: float = 1.0) -> None:
        """Put back what was taken and not used."""
        missing = self._now_missing(name) - amount
        if missing > 0:
            self._remember(name, missing)
        else:
            self._missing.pop(name, None)

    def _now_missing(self, name: str) -> float:
        missing, at = self._missing.get(name, (0.0, 0.0))
        return max(0.0, missing - (self._clock.monotonic() - at) * self._per_second)

    def _remember(self, name: str, missing: float) -> None:
        self._missing[name] = (missing, self._clock.monotonic())
        self._missing.move_to_end(name)
        if len(self._missing) > self._most:
            self._missing.popitem(last=False)


def address_of(host: str | None) -> str:
    """Return whom an address stands for: of IPv6 the /64, since one client has all of it; none is a unix socket."""
    if host is None:
        return LOCAL
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
