"""Lists of NetBox made by hand: the fields that are read, in as few words as can be."""

from __future__ import annotations

from typing import Any

from inventory_sync.netbox_reader import Snapshot

MAPPING = "roles: {server: Server, leaf: RackLeafRouter, pdu: Pdu, panel: skip}\n"


def device(number: int, name: str, role: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "role": {"slug": role},
        "device_type": {"id": 1},
        "site": {"id": 1, "slug": "dc1"},
        "location": {"id": 1},
        "rack": {"id": 1},
        "position": 3.5,
        "serial": "",
        "status": {"value": "active"},
        "primary_ip4": None,
        "custom_fields": {},
        "tags": [],
        **more,
    }


def cable(a: tuple[str, int, str], b: tuple[str, int, str]) -> dict[str, Any]:
    def end(kind: str, number: int, port: str) -> dict[str, Any]:
        return {
            "object_type": f"dcim.{kind}",
            "object_id": 1,
            "object": {"id": 1, "name": port, "device": {"id": number}},
        }

    return {"id": 1, "a_terminations": [end(*a)], "b_terminations": [end(*b)]}


def interface(number: int, holder: int, name: str) -> dict[str, Any]:
    kind = {"value": "25gbase-x-sfp28"}
    return {"id": number, "name": name, "device": {"id": holder}, "type": kind, "mac_address": "52:54:00:AA:00:01"}


def seen(**lists: list[dict[str, Any]]) -> Snapshot:
    """One site with a floor, a room in it and a rack in the room; with other lists instead of these."""
    common = {"custom_fields": {}, "tags": [], "description": ""}
    site = {**common, "id": 1, "slug": "dc1", "region": None, "group": None, "physical_address": ""}
    place = {**common, "site": {"id": 1, "slug": "dc1"}}
    base: dict[str, list[dict[str, Any]]] = {
        "sites": [site],
        "locations": [
            {**place, "id": 1, "name": "Room A", "slug": "room-a", "parent": {"id": 2}},
            {**place, "id": 2, "name": "Floor 2", "slug": "floor-2", "parent": None},
        ],
        "racks": [{**place, "id": 1, "name": "R1", "location": {"id": 1}, "u_height": 47}],
        "device_types": [{**common, "id": 1, "slug": "m1", "u_height": 0.5, "manufacturer": {"name": "Acme"}}],
        "device_roles": [{"slug": slug} for slug in ("server", "leaf", "pdu", "panel", "extra")],
        "devices": [device(1, "srv", "server"), device(2, "leaf", "leaf"), device(3, "pdu-a", "pdu")],
    }
    return Snapshot({**base, **lists})
