"""Nothing is drawn where nobody looks."""

from __future__ import annotations

import io
import sys

import pytest

from inventory_sync.progress import bar


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [False, True])
def test_a_bar_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    stream = _Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with bar("reading NetBox", 2) as tell:
        tell("racks", 3)
    assert ("reading NetBox" in stream.getvalue()) is terminal
