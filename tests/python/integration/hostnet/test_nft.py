"""What the program nft says, or does not say in time, as errors of ours; it is played by a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.errors import TimedOut, Unavailable
from controller.hostnet import nft


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nft is looked for first; not there yet."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "nft"


def play(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_it_gets_the_text_and_its_answer_is_returned(program: Path) -> None:
    play(program, 'echo "$@"; cat')
    assert nft.run("-f", "-", seconds=10.0, text="add table inet a\n") == "-f -\nadd table inet a\n"


def test_a_refusal_is_told_with_its_words(program: Path) -> None:
    play(program, "echo 'Error: no such table' >&2; exit 1")
    with pytest.raises(Unavailable, match="nft list table inet a: Error: no such table"):
        nft.run("list", "table", "inet", "a", seconds=10.0)


def test_one_that_gives_no_answer_is_ended(program: Path) -> None:
    play(program, "exec sleep 5")
    with pytest.raises(TimedOut, match=r"nft took more than 0\.2 s"):
        nft.run("list", "tables", seconds=0.2)


def test_none_at_all_is_unavailable(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(Unavailable, match="nft cannot be run"):
        nft.run("list", "tables", seconds=10.0)
