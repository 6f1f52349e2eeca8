"""Whose the folders of a node's state are, and a first start that is killed at any point."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from controller.agent import state_guard, state_identity
from controller.agent.state_guard import StateGuard
from controller.agent.state_identity import FILE, StateIdentity
from controller.errors import Unavailable


def mark(folder: Path, identity: StateIdentity) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(asdict(identity)))


def folders(tmp_path: Path) -> list[Path]:
    return [tmp_path / "var/agent", tmp_path / "var", tmp_path / "tls"]


def test_the_first_start_marks_all_folders_and_the_next_finds_them(tmp_path: Path) -> None:
    own = state_identity.claim(folders(tmp_path), "server0", "tokyo1")
    assert [state_identity.read(folder) for folder in folders(tmp_path)] == [own] * 3
    assert state_identity.claim(folders(tmp_path), "server0", "tokyo1") == own


@pytest.mark.parametrize("pending", range(4))
@pytest.mark.parametrize("final", range(4))
def test_a_first_start_that_was_killed_is_finished(tmp_path: Path, pending: int, final: int) -> None:
    """All folders are marked as pending before the first is final."""
    begun = StateIdentity("server0", "tokyo1", "u", pending=True)
    done = replace(begun, pending=False)
    for index, folder in enumerate(folders(tmp_path)):
        if index < (3 if final else pending):
            mark(folder, done if index < final else begun)
    own = state_identity.claim(folders(tmp_path), "server0", "tokyo1")
    assert [state_identity.read(folder) for folder in folders(tmp_path)] == [own] * 3
    assert own == done or (pending == 0 and final == 0)


def test_a_node_that_joins_again_has_a_new_folder_of_credentials(tmp_path: Path) -> None:
    *state, tls = folders(tmp_path)
    own = state_identity.claim(state, "server0", "tokyo1", tls)
    (tls / FILE).unlink()
    assert state_identity.claim(state, "server0", "tokyo1", tls) == own
    assert state_identity.read(tls) == own


@pytest.mark.parametrize("lost", range(3))
def test_one_that_lost_its_mark_is_neither_marked_nor_created_again(tmp_path: Path, lost: int) -> None:
    state_identity.claim(folders(tmp_path), "server0", "tokyo1")
    folder = folders(tmp_path)[lost]
    (folder / FILE).unlink()
    with pytest.raises(Unavailable, match=f"^the state folder {folder} is not the state of node server0"):
        state_identity.claim(folders(tmp_path), "server0", "tokyo1")
    assert not (folder / FILE).exists()


def test_a_damaged_mark_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"node": 1')
    with pytest.raises(Unavailable, match="node-identity is damaged"):
        state_identity.claim([tmp_path], "server0", "tokyo1")


async def test_what_the_disk_refuses_shows_until_it_takes_it(tmp_path: Path) -> None:
    guard = StateGuard([tmp_path / "state"], node="server0")
    assert "has not been read" in guard.reason
    assert await guard.claim(lambda: "read") == "read"
    guard.accept()
    (tmp_path / "state/file.new").mkdir()
    with pytest.raises(Unavailable, match=r"cannot write .*/file: Is a directory"):
        guard.write(tmp_path / "state/file", b"")
    await guard.check()
    assert "cannot write" in guard.reason
    (tmp_path / "state/file.new").rmdir()
    guard.write(tmp_path / "state/file", b"")
    assert guard.reason == ""
    guard.close()


async def test_a_disk_that_hangs_at_the_start_holds_neither_the_agent_nor_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders were claimed in the event loop, at the start and each second until they were the node's."""
    disk_answers, claim = threading.Event(), state_identity.claim

    def slow(*given: Any) -> StateIdentity:
        assert disk_answers.wait(60)
        return claim(*given)

    monkeypatch.setattr(state_identity, "claim", slow)
    monkeypatch.setattr(state_guard, "LOOK_SECONDS", 0.01)
    guard = StateGuard([tmp_path / "state"], node="server0")
    read: list[str] = []

    def reading() -> str:
        read.append("read")
        return "too late"

    for _ in range(3):
        assert await guard.claim(reading) is None
        assert f"the state folder {tmp_path}/state hangs" in guard.reason
    guard.close()
    assert read == []
    disk_answers.set()
    while (kept := await guard.claim(lambda: "kept")) is None:
        assert "hangs" in guard.reason
    assert kept == "kept"
    guard.accept()
    assert guard.reason == ""
    guard.close()
