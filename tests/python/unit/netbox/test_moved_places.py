"""What a device that NetBox no longer has gives up, by the rules with which the server refuses."""

from __future__ import annotations

from typing import Any

from inventory_sync.locations import Document
from inventory_sync.moved_places import MovedPlaces


def _device(name: str, **spec: Any) -> Document:
    return {"kind": "PhysicalResource", "name": name, "datacenter": "dc1", "spec": {"role": "Server", **spec}}


def _cabled(name: str, *links: tuple[str, str, str], split: bool = False) -> Document:
    return _device(name, network_links=[_link(*link, split=split) for link in links])


def _link(port: str, peer: str, peer_port: str, *, split: bool = False) -> dict[str, Any]:
    return {"port": port, "peer": peer, "peer_port": peer_port, "split": split}


def _powered(name: str, outlet: str, *, split: bool = False) -> Document:
    return _device(name, power_links=[{"inlet": "psu1", "source": "pdu", "outlet": outlet, "split": split}])


def _mounted(name: str, position: float, model: str | None = None) -> Document:
    return _device(name, rack="r1", position=position, model=model)


def _model(height: float) -> Document:
    return {"kind": "PhysicalModel", "name": "m", "spec": {"height_units": height}}


def _rack(height: int) -> Document:
    return {"kind": "Rack", "name": "r1", "datacenter": "dc1", "spec": {"height_units": height}}


def _kept(gone: Document, *wanted: Document, stored: tuple[Document, ...] = ()) -> dict[str, Any]:
    return MovedPlaces([gone, *stored], wanted).kept(gone)


def test_a_port_that_its_device_uses_itself_is_given_up() -> None:
    gone = _cabled("old", ("eth0", "leaf", "p1"), ("eth1", "leaf", "p2"))
    leaf = _cabled("leaf", ("p1", "spine", "s1"))
    assert _kept(gone, leaf) == {"network_links": [_link("eth1", "leaf", "p2")]}


def test_an_own_port_that_another_names_is_given_up() -> None:
    leaf = _cabled("leaf", ("p1", "spine", "s1"))
    assert _kept(leaf, _cabled("new", ("eth0", "leaf", "p1"))) == {"network_links": []}


def test_a_cable_that_both_ends_name_stays() -> None:
    server = _cabled("a", ("eth0", "leaf", "p1"))
    assert _kept(server, _cabled("leaf", ("p1", "a", "eth0"))) == {}
    assert _kept(server, _cabled("leaf", ("p1", "a", ""))) == {}
    assert _kept(server, _cabled("leaf", ("p1", "a", "eth1"))) == {"network_links": []}


def test_only_arms_of_one_cable_share_an_end() -> None:
    link = ("eth0", "leaf", "p1")
    for old in (False, True):
        for new in (False, True):
            kept = _kept(_cabled("old", link, split=old), _cabled("new", link, split=new))
            assert kept == ({} if old and new else {"network_links": []})
            kept = _kept(_powered("old", "1", split=old), _powered("new", "1", split=new))
            assert kept == ({} if old and new else {"power_links": []})
    assert _kept(_powered("old", "1"), _powered("new", "2")) == {}


def test_a_device_whose_model_grows_gives_up_what_it_would_take() -> None:
    gone = _mounted("old", 10, "m")
    assert _kept(gone, _model(2), _mounted("new", 11), stored=(_model(1),)) == {"position": None}
    assert _kept(gone, _model(2), _mounted("new", 12), stored=(_model(1),)) == {}
    assert _kept(gone, _model(1), _mounted("new", 11), stored=(_model(1),)) == {}


def test_a_device_does_not_grow_into_another_that_netbox_no_longer_has() -> None:
    low, high = _mounted("low", 10, "m"), _mounted("high", 11, "m")
    assert _kept(low, _model(2), stored=(_model(1), high)) == {"position": None}
    assert _kept(high, _model(2), stored=(_model(1), low)) == {}
    assert _kept(low, stored=(_model(2), high)) == {}


def test_a_device_above_the_new_top_of_its_rack_gives_up_its_position() -> None:
    assert _kept(_mounted("old", 40), _rack(39), stored=(_rack(42),)) == {"position": None}
    assert _kept(_mounted("old", 40), _rack(40), stored=(_rack(42),)) == {}
    assert _kept(_mounted("old", 42, "m"), _model(2), stored=(_rack(42), _model(1))) == {"position": None}
    assert _kept(_mounted("old", 42, "m"), _rack(41), _model(2), stored=(_rack(42), _model(1))) == {"position": None}


def test_a_device_that_was_above_its_rack_before_keeps_its_position() -> None:
    assert _kept(_mounted("old", 99), _rack(41), stored=(_rack(42),)) == {}
