"""Numbers of things in messages."""

from __future__ import annotations

from controller.counted import counted


def test_one_thing_is_not_many() -> None:
    assert [counted(count, "node") for count in (0, 1, 2)] == ["0 nodes", "1 node", "2 nodes"]
