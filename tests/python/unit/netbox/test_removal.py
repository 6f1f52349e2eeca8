"""A removal deletes what its plan has shown, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import pytest

from controller.client import Client
from inventory_sync import pull, removal, report
from inventory_sync.locations import Document
from inventory_sync.pruning import key_of
from inventory_sync.removal import Used


class Deleting:
    """A server where resources are used by others, until nothing is."""

    def __init__(self, users: Mapping[str, Sequence[str]]) -> None:
        self.users = dict(users)
        self.deleted: list[str] = []

    def plan_delete_many(self, documents: Sequence[Document]) -> dict[str, Any]:
        going = {str(key_of(one)) for one in documents}
        changes = []
        for one in documents:
            users = [user for user in self.users.get(str(key_of(one)), ()) if user not in going]
            refusals = [{"path": "", "message": "is in use", "users": users}] if users else []
            kind, _, key = str(key_of(one)).partition(" ")
            changes.append({"kind": kind, "key": key, "refusals": refusals})
        return {"changes": changes}

    def delete_many(self, documents: Iterable[Document]) -> list[Document]:
        self.deleted += [str(key_of(one)) for one in documents]
        return []


def _rack(name: str) -> Document:
    return {"kind": "Rack", "name": name, "datacenter": "dc1", "labels": {"source": "netbox"}}


def _pull(server: Deleting, gone: Sequence[Document], written: Iterable[str] = ()) -> pull.Pull:
    used = removal.removable(cast(Client, server), gone)[1]
    kept = tuple((title, one.reason) for title, one in used.items())
    freed = removal.freed(used, set(written))
    return pull.Pull((), (), tuple(gone), kept, freed, synced={"Rack": 4})


@pytest.mark.design("N4")
def test_what_the_plan_keeps_is_not_deleted_though_its_user_is_deleted_meanwhile() -> None:
    server = Deleting({"Rack dc1/r1": ["Node c1/n1"]})
    found = _pull(server, [_rack("r1"), _rack("r2")])
    server.users.clear()
    _, kept = pull.remove(cast(Client, server), found)
    assert server.deleted == ["Rack dc1/r2"]
    assert kept == [("Rack dc1/r1", "is in use by Node c1/n1")]


@pytest.mark.design("N4")
def test_what_the_pull_frees_is_shown_counted_and_deleted() -> None:
    server = Deleting({f"Rack dc1/r{n}": ["PhysicalResource dc1/srv"] for n in (1, 2, 3)})
    found = _pull(server, [_rack("r1"), _rack("r2"), _rack("r3")], ["PhysicalResource dc1/srv"])
    assert "3 of the 4 resources" in pull.excess(found, 50)
    assert not pull.excess(found, 75)
    assert report.document(found, remove=True, lines=())["differs"]
    assert not report.document(found, remove=True, lines=())["kept"]
    assert "since what refers to it changes" in report.pulled(found)[0]
    server.users = {"Rack dc1/r3": ["PhysicalResource dc1/new"]}
    _, kept = pull.remove(cast(Client, server), found)
    assert server.deleted == ["Rack dc1/r1", "Rack dc1/r2"]
    assert kept == [("Rack dc1/r3", "is in use by PhysicalResource dc1/new")]


@pytest.mark.design("N4")
def test_what_something_else_uses_too_is_not_freed() -> None:
    used = {
        "Floor dc1/f1": Used("", ("Rack dc1/r1",)),
        "Floor dc1/f2": Used("", ("Rack dc1/r2",)),
        "Rack dc1/r1": Used("", ("PhysicalResource dc1/a",)),
        "Rack dc1/r2": Used("", ("PhysicalResource dc1/a", "PhysicalResource dc1/b")),
        "Datacenter dc1": Used("is the only one"),
    }
    assert removal.freed(used, {"PhysicalResource dc1/a"}) == {"Floor dc1/f1", "Rack dc1/r1"}
