"""The disks of a Compute are told apart by the first 20 characters of their names: what cannot be is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.errors import InvalidInput
from controller.model import document
from controller.model.registry import AnyResource
from controller.root.writes import plan
from controller.store import resources
from controller.store.database import Database, Tier
from tests.python.unit.root.site import POWER, Site

TWENTY = "d" * 20
CLASH = "the guest knows a disk by the first 20 characters of its name, and those of {} are those of disk {}"
IS_ROOT = "a disk cannot be named root: the guest knows the root disk by that name"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    db = Database(f"sqlite:///{tmp_path}/root.sqlite", tier=Tier.ROOT, clock=VirtualClock())
    db.upgrade()
    yield Site(db)
    db.close()


def service(*disks: str) -> AnyResource:
    template = {
        "flavor": "small",
        "image": "guest",
        "schedule_policy": {"rules": [POWER]},
        "disks": [{"name": name, "size_gib": 1} for name in disks],
    }
    spec = {"replicas": 2, "compute": template}
    return document.parse({"kind": "RegionService", "name": "web", "region": "kanto", "spec": spec})


def volume(name: str, index: int = 0) -> AnyResource:
    spec = {"size_gib": 1, "attachment": {"service": "web", "index": index}}
    return document.parse({"kind": "Volume", "name": name, "region": "kanto", "spec": spec})


def problems(site: Site, *wanted: AnyResource) -> list[tuple[str, str]]:
    steps = site.db.read(lambda tx: plan.plan_writes(tx, wanted)).steps
    try:
        plan.refuse(steps, several=True)
    except InvalidInput as error:
        return [(one.path, one.message) for one in error.problems]
    return []


def stored(site: Site, *there: AnyResource) -> None:
    site.db.write(lambda tx: resources.insert(tx, there))


def test_names_that_differ_in_their_first_20_characters_are_taken(site: Site) -> None:
    assert problems(site, service("data", f"{'a' * 19}b{'c' * 43}", TWENTY), volume(f"{'a' * 19}x", 0)) == []


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        ([], [service("root")], [("[0].spec.compute.disks", IS_ROOT)]),
        (
            [],
            [service(f"{TWENTY}-a", f"{TWENTY}-b")],
            [("[0].spec.compute.disks", CLASH.format(f"{TWENTY}-b", f"{TWENTY}-a"))],
        ),
        ([], [service("data"), volume("data")], [("[1].name", "the Compute has a disk data already")]),
        ([service("data")], [volume("data", 1)], [("[0].name", "the Compute has a disk data already")]),
        ([service()], [volume("root")], [("[0].name", IS_ROOT)]),
        (
            [service(), volume(f"{TWENTY}-a")],
            [volume(f"{TWENTY}-b"), volume(f"{TWENTY}-c", 1)],
            [("[0].name", CLASH.format(f"{TWENTY}-b", f"{TWENTY}-a"))],
        ),
        (
            [service()],
            [volume(f"{TWENTY}-a"), volume(f"{TWENTY}-b")],
            [("[1].name", CLASH.format(f"{TWENTY}-b", f"{TWENTY}-a"))],
        ),
        (
            [service(), volume("data", 1)],
            [service("data")],
            [("[0].spec.compute.disks", "the Compute has a disk data already")],
        ),
    ],
)
def test_what_a_guest_could_not_tell_apart_is_refused(
    site: Site, there: list[AnyResource], wanted: list[AnyResource], expected: list[tuple[str, Any]]
) -> None:
    stored(site, *there)
    assert problems(site, *wanted) == expected


def test_what_was_stored_before_the_rule_may_stay(site: Site) -> None:
    stored(site, service("root", f"{TWENTY}-a", f"{TWENTY}-b"))
    assert problems(site, service("root", f"{TWENTY}-a", f"{TWENTY}-b", "more")) == []
    assert problems(site, service("root", f"{TWENTY}-b")) == []
