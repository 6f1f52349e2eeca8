"""Lists of cpus as the kernel writes them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from controller.agent.host.cpu_lists import format_cpus, parse_cpus


@given(some.sets(some.integers(0, 40)))
def test_lists_of_cpus_are_written_as_they_are_read(cpus: set[int]) -> None:
    assert set(parse_cpus(format_cpus(sorted(cpus)))) == cpus
