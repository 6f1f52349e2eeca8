"""A file is replaced as a whole."""

from __future__ import annotations

from pathlib import Path

from controller.agent.atomic_file import read_or_none, write_durably


def test_a_durable_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    assert read_or_none(path) is None
    write_durably(path, b"one")
    write_durably(path, b"second")
    assert read_or_none(path) == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["file"]
