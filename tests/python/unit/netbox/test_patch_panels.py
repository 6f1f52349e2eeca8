"""Ways through patch panels, from the cables and the ports of the panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from inventory_sync import mapping
from inventory_sync.translation import Translation, translate
from tests.python.unit.netbox.seen import MAPPING, device, seen

End = tuple[str, int, int, str]
"""Kind of the port, its id, its device, its name."""
SERVER, LEAF = ("interface", 11, 1, "eno1"), ("interface", 21, 2, "Ethernet1")
SERVER_TOO, LEAF_TOO = ("interface", 12, 1, "eno2"), ("interface", 22, 2, "Ethernet2")


def _end(end: End) -> dict[str, Any]:
    kind, number, holder, name = end
    thing = {"id": number, "name": name, "device": {"id": holder}}
    return {"object_type": f"dcim.{kind}", "object_id": number, "object": thing}


def _cable(a: list[End], b: list[End], profile: str | None = None) -> dict[str, Any]:
    sides = {"a_terminations": [_end(one) for one in a], "b_terminations": [_end(one) for one in b]}
    return {"id": 1, **sides, "profile": None if profile is None else {"value": profile}}


def _front(number: int, rear: int, position: int = 1) -> dict[str, Any]:
    there = {"position": 1, "rear_port": rear, "rear_port_position": position}
    return {"id": number, "positions": 1, "rear_ports": [there]}


def _f(number: int) -> End:
    return ("frontport", number, 9, f"F{number}")


def _r(number: int) -> End:
    return ("rearport", number, 9, f"R{number}")


def _found(
    cables: Sequence[dict[str, Any]], fronts: Sequence[dict[str, Any]], positions: dict[int, int]
) -> Translation:
    devices = [device(1, "srv", "server"), device(2, "leaf", "leaf"), device(9, "patch", "panel")]
    rears = [{"id": number, "positions": count} for number, count in positions.items()]
    snapshot = seen(devices=devices, cables=list(cables), front_ports=list(fronts), rear_ports=rears)
    return translate(snapshot, mapping.parse(MAPPING))


def _links(found: Translation) -> set[tuple[str, str, str]]:
    (server,) = [one for one in found.documents if one["name"] == "srv"]
    links = [(link["port"], link["peer"], link["peer_port"]) for link in server["spec"]["network_links"]]
    assert len(links) == len(set(links)), "each way has two ends and is found from both"
    return set(links)


@pytest.mark.design("N4")
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("old", [False, True])
def test_one_panel_is_passed_through(turned: bool, old: bool) -> None:
    """
    ::

        srv eno1 -- F1 [panel] R1 -- Ethernet1 leaf
    """
    cables = [_cable([SERVER], [_f(1)]), _cable([_r(1)], [LEAF])]
    if turned:
        cables = [{**one, "a_terminations": one["b_terminations"], "b_terminations": one["a_terminations"]}
                  for one in cables]  # fmt: skip
    front: dict[str, Any] = {"id": 1, "rear_port": {"id": 1}, "rear_port_position": 1} if old else _front(1, 1)
    found = _found(cables, [front], {1: 1})
    assert _links(found) == {("eno1", "leaf", "Ethernet1")}
    assert dict(found.left_out) == {"devices whose role is skipped": 1}


@pytest.mark.design("N4")
def test_a_trunk_between_two_panels_keeps_its_strands_apart() -> None:
    """
    ::

        srv eno1 -- F1 [..] R1 (2 strands) -- R2 [..] F3 -- Ethernet1 leaf
        srv eno2 -- F2 [..]                      [..] F4 -- Ethernet2 leaf
    """
    cables = [
        _cable([SERVER], [_f(1)]),
        _cable([SERVER_TOO], [_f(2)]),
        _cable([_r(1)], [_r(2)]),
        _cable([_f(3)], [LEAF]),
        _cable([LEAF_TOO], [_f(4)]),
    ]
    fronts = [_front(1, 1), _front(2, 1, 2), _front(3, 2), _front(4, 2, 2)]
    found = _found(cables, fronts, {1: 2, 2: 2})
    assert _links(found) == {("eno1", "leaf", "Ethernet1"), ("eno2", "leaf", "Ethernet2")}
    assert dict(found.left_out) == {"devices whose role is skipped": 1}
    crossed = _found(cables, [*fronts[:2], _front(3, 2, 2), _front(4, 2)], {1: 2, 2: 2})
    assert _links(crossed) == {("eno1", "leaf", "Ethernet2"), ("eno2", "leaf", "Ethernet1")}


@pytest.mark.design("N4")
def test_ways_that_end_in_a_panel_are_counted_and_a_ring_ends() -> None:
    nowhere = _found([_cable([SERVER], [_f(1)])], [_front(1, 1)], {1: 1})
    assert nowhere.left_out["cables to patch panels that lead no further"] == 1
    ring = [_cable([SERVER], [_f(1)]), _cable([_r(1)], [_r(2)]), _cable([_f(2)], [_f(1)])]
    assert not _links(_found(ring, [_front(1, 1), _front(2, 2)], {1: 1, 2: 1}))


@pytest.mark.design("N4")
@pytest.mark.parametrize("trunk_end", [SERVER, LEAF])
def test_a_trunk_in_one_port_leads_to_all_its_strands(trunk_end: End) -> None:
    """
    ::

        one port -- R1 (2 strands) [panel] F1, F2 -- two ports of the other device
    """
    ends = [LEAF, LEAF_TOO] if trunk_end is SERVER else [SERVER, SERVER_TOO]
    cables = [_cable([trunk_end], [_r(1)]), *(_cable([_f(index + 1)], [end]) for index, end in enumerate(ends))]
    found = _found(cables, [_front(1, 1), _front(2, 1, 2)], {1: 2})
    assert len(_links(found)) == 2
    assert dict(found.left_out) == {"devices whose role is skipped": 1}


@pytest.mark.design("N4")
@pytest.mark.parametrize(
    ("profile", "links"),
    [
        (None, 4),
        ("trunk-2c1p", 2),
        ("trunk-2c4p-shuffle", 0),
    ],
)
def test_a_cable_of_several_ends_goes_by_its_profile(profile: str | None, links: int) -> None:
    found = _found([_cable([SERVER, SERVER_TOO], [LEAF, LEAF_TOO], profile)], [], {})
    assert len(_links(found)) == links
    assert found.left_out["cables whose profile is not followed"] == (0 if links else 1)


def test_a_breakout_is_followed_to_ports_and_not_into_a_panel() -> None:
    out = "breakout-1c2p-2c1p"
    assert len(_links(_found([_cable([LEAF], [SERVER, SERVER_TOO], out)], [], {}))) == 2
    into = _found([_cable([LEAF], [_f(1), _f(2)], out), _cable([_r(1)], [SERVER])], [_front(1, 1)], {1: 1})
    assert not _links(into)
