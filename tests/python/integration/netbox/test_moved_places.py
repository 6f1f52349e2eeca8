"""A pull whose places are taken by stored devices, in one request and in as many as there are documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from controller.client import Client
from inventory_sync import mapping, pull
from inventory_sync.locations import Document
from inventory_sync.translation import Translation
from tests.python.integration.cli.conftest import Server, Shell

RULES = mapping.parse("roles: {server: Server}\n")
LABELS = dict([RULES.mark])
PLACES: list[Document] = [
    {"kind": "Region", "name": "kanto", "labels": LABELS, "spec": {}},
    {"kind": "Datacenter", "name": "dc1", "labels": LABELS, "spec": {}},
    {"kind": "Floor", "name": "f1", "datacenter": "dc1", "labels": LABELS, "spec": {}},
]


@pytest.fixture
def client(ops: Shell, server: Server) -> Iterator[Client]:
    with Client(server.url, token=(ops.folder / "admin.token").read_text().strip()) as opened:
        yield opened


def _device(name: str, position: float | None = None, model: str | None = None, **links: Any) -> Document:
    where = {"floor": "f1"} if position is None else {"rack": "r1", "position": position}
    spec = {"role": "Server", "model": model, "network_links": [], "power_links": [], **where, **links}
    return {"kind": "PhysicalResource", "name": name, "datacenter": "dc1", "labels": LABELS, "spec": spec}


def _wired(name: str, port: str, peer: str, peer_port: str, *, split: bool = False) -> Document:
    return _device(name, network_links=[{"port": port, "peer": peer, "peer_port": peer_port, "split": split}])


def _rack(height: int) -> Document:
    spec = {"floor": "f1", "height_units": height}
    return {"kind": "Rack", "name": "r1", "datacenter": "dc1", "labels": LABELS, "spec": spec}


def _model(height: float) -> Document:
    return {"kind": "PhysicalModel", "name": "m", "labels": LABELS, "spec": {"height_units": height}}


def _pull(client: Client, documents: list[Document], limit: int) -> None:
    ordered = Translation((*PLACES, *documents), Counter())
    pull.write(client, pull.plan(client, ordered, RULES, limit=limit), limit=limit)
    again = pull.plan(client, ordered, RULES, limit=limit)
    assert not again.differs, again.wanted


@pytest.mark.design("N4")
@pytest.mark.parametrize("limit", [1, pull.REQUEST_BYTES])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            [_device("leaf"), _device("spine"), _wired("old", "eth0", "leaf", "p1")],
            [_wired("leaf", "p1", "spine", "s1"), _device("spine")],
            id="the leaf uses its port itself",
        ),
        pytest.param(
            [_wired("leaf", "p1", "spine", "s1"), _device("spine")],
            [_device("leaf"), _device("spine"), _wired("new", "eth0", "leaf", "p1")],
            id="the leaf no longer uses its port itself",
        ),
        pytest.param(
            [_device("leaf"), _wired("old", "eth0", "leaf", "p1")],
            [_device("leaf"), *(_wired(name, "eth0", "leaf", "p1", split=True) for name in ("a", "b"))],
            id="a cable becomes a breakout cable",
        ),
        pytest.param(
            [_rack(42), _model(1), _device("old", 10, "m"), _device("b", 20)],
            [_rack(42), _model(2), _device("b", 11)],
            id="a model grows under a device that is gone",
        ),
        pytest.param(
            [_rack(42), _model(1), _device("old", 10, "m"), _device("b", 11)],
            [_rack(42), _model(2), _device("b", 11)],
            id="a model grows below a device that stays",
        ),
        pytest.param(
            [_rack(42), _model(1), _device("a", 10, "m"), _device("b", 11)],
            [_rack(42), _model(2), _device("a", 10, "m"), _device("b", 20)],
            id="a model grows and its neighbour moves",
        ),
        pytest.param(
            [_rack(42), _device("old", 40), _device("b", 41)],
            [_rack(39), _device("b", 20)],
            id="a rack becomes lower",
        ),
    ],
)
def test_what_takes_a_place_gives_it_up(
    client: Client, before: list[Document], after: list[Document], limit: int
) -> None:
    _pull(client, before, pull.REQUEST_BYTES)
    _pull(client, after, limit)


@pytest.mark.design("N4")
def test_what_would_not_get_its_place_back_does_not_give_it_up(client: Client) -> None:
    """NetBox gives a unit to two devices: the one that has it keeps it, and the other is skipped with the reason."""
    _pull(client, [_rack(42), _device("a", 10)], pull.REQUEST_BYTES)
    documents = (*PLACES, _rack(42), _device("a", 10), _device("b", 10))
    found = pull.plan(client, Translation(documents, Counter()), RULES, limit=1)
    (skipped,) = map(str, found.skipped)
    assert "dc1/b" in skipped
    assert "unit 10 of Rack dc1/r1 is taken" in skipped
    assert not found.differs
