"""Writes the ConfigDrive of a machine for drivers: an ISO 9660 image labelled ``config-2``.

The layout is OpenStack's (``openstack/latest/...``), which cloud-init and others read: meta data
with SSH keys, network data with links, addresses and routes, and the user data. It is the guest's
only source of its addresses; DHCP and a metadata service do not exist.

Not promised: equal bytes for equal input; the image has the time at which it was written.

Design: B6
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from pycdlib import PyCdlib

from controller.model.compute import ComputeSpec, Interface

LABEL = "config-2"


def files(uid: str, spec: ComputeSpec) -> dict[str, bytes]:
    """Return the drive's files, by path below ``openstack/latest``."""
    content = {
        "meta_data.json": _json(meta_data(uid, spec)),
        "network_data.json": _json(network_data(spec.interfaces)),
    }
    if spec.user_data:
        content["user_data"] = spec.user_data.encode()
    return content


def meta_data(uid: str, spec: ComputeSpec) -> dict[str, Any]:
    """Return the guest's identity: its uuid, names, index and SSH keys."""
    short_name = spec.host_name.partition(".")[0]
    return {
        "uuid": uid,
        "hostname": spec.host_name,
        "name": short_name,
        "launch_index": spec.index,
        "public_keys": {f"key-{number}": key for number, key in enumerate(spec.ssh_keys)},
    }


def network_data(interfaces: Sequence[Interface]) -> dict[str, Any]:
    """Return links, addresses and routes; the default route uses the first interface."""
    return {
        "links": [
            {"id": f"link{number}", "type": "phy", "ethernet_mac_address": interface.mac, "mtu": 1500}
            for number, interface in enumerate(interfaces)
        ],
        "networks": [_network(number, interface) for number, interface in enumerate(interfaces)],
        "services": [],
    }


def write(path: Path, uid: str, spec: ComputeSpec) -> None:
    """Write the drive to ``path`` and replace an existing one atomically. Blocks."""
    iso = PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    iso.add_directory("/OPENSTAC", rr_name="openstack", joliet_path="/openstack")
    iso.add_directory("/OPENSTAC/LATEST", rr_name="latest", joliet_path="/openstack/latest")
    for number, (name, content) in enumerate(files(uid, spec).items()):
        iso.add_fp(
            io.BytesIO(content),
            len(content),
            f"/OPENSTAC/LATEST/FILE{number}.;1",
            rr_name=name,
            joliet_path=f"/openstack/latest/{name}",
        )
    fresh = path.with_name(f".{path.name}.new")
    try:
        iso.write(str(fresh))
        fresh.replace(path)
    finally:
        iso.close()
        with suppress(FileNotFoundError):
            fresh.unlink()


def _network(number: int, interface: Interface) -> dict[str, Any]:
    routes: list[dict[str, str]] = []
    if number == 0:
        if interface.prefix_length == 32:
            # The gateway is outside the guest's subnet: a route must say that it is on the link.
            routes.append({"network": str(interface.gateway), "netmask": "255.255.255.255", "gateway": "0.0.0.0"})  # noqa: S104
        routes.append({"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": str(interface.gateway)})  # noqa: S104
    return {
        "id": f"network{number}",
        "type": "ipv4",
        "link": f"link{number}",
        "ip_address": str(interface.address),
        "netmask": str(IPv4Network((0, interface.prefix_length)).netmask),
        "routes": routes,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()
