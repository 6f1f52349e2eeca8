"""The folder of disks that are kept aside: complete or not there at every instant, found again by anyone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.agent.drivers.libvirt.quarantine import QuarantineFolder
from controller.errors import InvalidInput

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def machine(state: Path, content: str = "data") -> Path:
    folder = state / "machines" / "u0"
    folder.mkdir(parents=True)
    (folder / "root.qcow2").write_text(content)
    return folder


def test_what_is_kept_can_be_listed_with_its_name_and_time(tmp_path: Path) -> None:
    quarantine = QuarantineFolder(tmp_path)
    quarantine.keep(machine(tmp_path), "u0", "default.kanto.web-0", AT)
    [one] = QuarantineFolder(tmp_path).kept()
    assert (one.uid, one.name, one.at) == ("u0", "default.kanto.web-0", AT)
    assert (Path(one.place) / "root.qcow2").read_text() == "data"
    assert one.size_bytes > 0
    assert not (tmp_path / "machines" / "u0").exists()


def test_a_second_copy_within_a_second_has_a_place_of_its_own(tmp_path: Path) -> None:
    quarantine = QuarantineFolder(tmp_path)
    for content in ("first", "second"):
        quarantine.keep(machine(tmp_path, content), "u0", "web-0", AT)
    assert {(Path(one.place) / "root.qcow2").read_text() for one in quarantine.kept()} == {"first", "second"}


def test_a_process_killed_before_the_folder_moved_leaves_a_machine_that_can_be_kept_again(tmp_path: Path) -> None:
    folder = machine(tmp_path)
    (folder / "quarantine.json").write_text('{"uid": "u0", "na')
    quarantine = QuarantineFolder(tmp_path)
    assert quarantine.kept() == []
    quarantine.keep(folder, "u0", "web-0", AT)
    assert [one.at for one in quarantine.kept()] == [AT]


def test_a_folder_whose_record_is_damaged_is_listed_and_can_be_purged(tmp_path: Path) -> None:
    quarantine = QuarantineFolder(tmp_path)
    quarantine.keep(machine(tmp_path), "u0", "web-0", AT)
    [one] = quarantine.kept()
    (Path(one.place) / "quarantine.json").write_text("[]")
    [again] = quarantine.kept()
    assert (again.key, again.uid) == (one.key, "u0")
    quarantine.purge(again.key)
    assert quarantine.kept() == []
    quarantine.purge(again.key)


def test_a_file_that_vanishes_hides_no_disk(tmp_path: Path) -> None:
    """The whole list was empty: the machine's folder was not taken back, and it got an empty disk beside its own."""
    quarantine = QuarantineFolder(tmp_path)
    folder = machine(tmp_path)
    quarantine.keep(folder, "u0", "web-0", AT)
    other = tmp_path / "quarantine" / "u1.20260301T120000Z"
    other.mkdir()
    (other / "seed.iso").symlink_to(tmp_path / "deleted")
    (tmp_path / "quarantine" / "u2.20260301T120000Z").symlink_to(tmp_path / "deleted")
    assert {one.uid for one in quarantine.kept()} == {"u0", "u1"}
    quarantine.take_back(folder, "u0")
    assert (folder / "root.qcow2").read_text() == "data"


@pytest.mark.parametrize("at", ["2026-03-01T12:00:00", "2026-03-01T21:00:00+09:00", "9999-12-31T23:59:59-23:00"])
def test_a_time_in_any_zone_or_none_is_read_as_utc(tmp_path: Path, at: str) -> None:
    """A record without a zone could not be compared with the others: the agent ended, whenever it was started."""
    quarantine = QuarantineFolder(tmp_path)
    quarantine.keep(machine(tmp_path), "u0", "web-0", AT)
    quarantine.keep(machine(tmp_path), "u0", "web-0", AT)
    record = Path(quarantine.kept()[0].place) / "quarantine.json"
    record.write_text(record.read_text().replace(AT.isoformat(), at))
    moments = [one.at for one in quarantine.kept()]
    assert len(moments) == 2
    assert all(each.tzinfo is UTC for each in moments)
    if not at.startswith("9999"):
        assert moments == [AT, AT]


def test_taking_back_never_replaces_a_folder(tmp_path: Path) -> None:
    quarantine = QuarantineFolder(tmp_path)
    folder = machine(tmp_path, "old")
    quarantine.keep(folder, "u0", "web-0", AT)
    machine(tmp_path, "new")
    quarantine.take_back(folder, "u0")
    assert (folder / "root.qcow2").read_text() == "new"
    assert len(quarantine.kept()) == 1


@pytest.mark.parametrize("key", ["", "..", "../machines", "a/b", "/etc"])
def test_only_what_is_in_the_folder_can_be_purged(tmp_path: Path, key: str) -> None:
    folder = machine(tmp_path)
    with pytest.raises(InvalidInput):
        QuarantineFolder(tmp_path).purge(key)
    assert folder.exists()
