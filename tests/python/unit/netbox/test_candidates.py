"""The names that an object may have."""

from __future__ import annotations

from collections.abc import Iterator

from inventory_sync.candidates import Candidates, Claim
from inventory_sync.mapping import Names


class _Counted(tuple[tuple[str, ...], ...]):
    """What can stand before a name, and how often it was read."""

    read = 0

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        self.read += 1
        return super().__iter__()


def test_longer_names_are_made_only_when_the_first_is_taken_and_only_once() -> None:
    within = _Counted([("room-a",), ("floor-2", "room-a")])
    names = Candidates(Claim("rack", {"id": 7}, "R1", "dc1", within), Names())
    assert next(iter(names)) == "r1"
    assert "r1" in names
    assert within.read == 0
    assert list(names) == ["r1", "room-a-r1", "floor-2-room-a-r1", "r1-7"]
    assert "room-a-r1" in names
    assert within.read == 1
