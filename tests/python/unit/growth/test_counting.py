"""The measure itself: linear work passes it, and work that grows faster does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.python.operations import MOST, growth


def linear(items: list[int]) -> int:
    return sum(item for item in items)


def sorting(items: list[int]) -> list[int]:
    return sorted(items, key=lambda item: -item)


def quadratic(items: list[int]) -> int:
    return sum(1 for one in items for other in items if one < other)


def copying(items: list[int]) -> list[int]:
    copied: list[int] = []
    for item in items:
        copied = [each for each in copied] + [item]  # noqa: C416 (as a slow parser would)
    return copied


@pytest.mark.parametrize(("work", "passes"), [(linear, True), (sorting, True), (quadratic, False), (copying, False)])
def test_growth_tells_linear_from_quadratic(work: Callable[[list[int]], object], passes: bool) -> None:
    assert (growth(lambda n: list(range(n)), work, 50) < MOST) is passes


def test_the_same_input_costs_the_same() -> None:
    assert growth(lambda n: list(range(50)), linear, 50) == 0
