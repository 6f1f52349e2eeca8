"""The assignments of a node, in memory and on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.agent.assignments import Assignments
from controller.errors import InvalidInput
from controller.wire.agent_pb2 import Assignments as Message
from controller.wire.agent_pb2 import NetworkAccess, ServiceAccess
from tests.python.unit.agent.bench import item


async def test_assignments_survive_and_know_what_changed(tmp_path: Path) -> None:
    first = Assignments(tmp_path)
    assert not first.known
    assert await first.apply(Message(full=True, version=1, items=[item("u0"), item("u1", index=1)])) == {"u0", "u1"}
    assert await first.apply(Message(full=True, version=2, items=[item("u0"), item("u1", index=1)])) == set()
    assert await first.apply(Message(version=3, items=[item("u0", revision=2)], removed=["u1-1"])) == {"u0", "u1"}
    assert first.confirmed

    second = Assignments(tmp_path)
    second.load(second.read())
    assert (second.uids(), second.version, second.known, second.confirmed) == (["u0"], 3, True, False)
    kept = second.get("u0")
    assert kept is not None
    assert kept.item.revision == 2


async def test_what_the_disk_does_not_take_is_not_acted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Assignments(tmp_path)
    await kept.apply(Message(full=True, version=1, items=[item("u0")]))
    kept.session_ended()

    def full_disk(path: Path, content: bytes) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("controller.agent.assignments.write_durably", full_disk)
    with pytest.raises(OSError, match="no space"):
        await kept.apply(Message(full=True, version=2, items=[item("u1")]))
    assert (kept.uids(), kept.version, kept.confirmed) == (["u0"], 1, False)


async def test_an_unknown_role_changes_nothing() -> None:
    assignments = Assignments()
    await assignments.apply(Message(full=True, version=1, items=[item("u0")]))
    with pytest.raises(InvalidInput, match="Guest"):
        await assignments.apply(Message(full=True, version=2, items=[item("u1", role="Guest")]))
    assert assignments.uids() == ["u0"]


async def test_an_owner_counts_before_a_leftover() -> None:
    assignments = Assignments()
    both = [item("u0", role="Leaving", name="a"), item("u0", name="b")]
    await assignments.apply(Message(full=True, version=1, items=both))
    found = assignments.get("u0")
    assert found is not None
    assert found.item.name == "b"


async def test_what_was_accepted_before_is_read_whatever_is_refused_now() -> None:
    """A rule for what users write must not stop a machine that runs since before the rule."""
    given = item("u0")
    old = json.loads(given.spec)
    old["image"]["url"] = "https://user:password@2130706433/guest.qcow2"
    old["user_data"] = "(secret)"
    given.spec = json.dumps(old).encode()
    assignments = Assignments()
    await assignments.apply(Message(full=True, version=1, items=[given]))
    found = assignments.get("u0")
    assert found is not None
    assert found.spec.image.url == old["image"]["url"]


async def test_who_may_connect_survives_and_stays_until_it_is_sent_again(tmp_path: Path) -> None:
    access = NetworkAccess(services=[ServiceAccess(service="default/kanto/web", members=[1])])
    first = Assignments(tmp_path)
    await first.apply(Message(full=True, version=1, items=[item("u0")]))
    assert first.access is None, "an older cluster does not say"
    assert await first.apply(Message(version=2, access=access)) == set()
    await first.apply(Message(version=3, items=[item("u1", index=1)]))
    assert first.access == access

    second = Assignments(tmp_path)
    second.load(second.read())
    assert second.access == access
    await second.apply(Message(full=True, version=4, access=NetworkAccess()))
    assert second.access == NetworkAccess(), "nobody: not the same as not known"
