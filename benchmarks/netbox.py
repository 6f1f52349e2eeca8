"""NetBox to the topology: 60 racks, 2,000 devices, 9,000 interfaces, 7,200 cables, by ``resourcectl netbox``.

The stand-in of the tests serves as many devices, made like the recorded ones. With NETBOX_URL,
NETBOX_TOKEN and NETBOX_MAPPING in the environment a real NetBox is read instead, and nothing is
pushed to it unless NETBOX_PUSH is set.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.site import Site, site
from tests.python.integration.netbox.standin import TOKEN, StandIn, served

AIM_SECONDS = 15.0
RACKS, SERVERS = 60, 30
MAPPING = """
floors: {number_pattern: 'floor-(?P<storey>[0-9]+)'}
roles: {server: Server, tor-switch: RackLeafRouter, pdu: Pdu}
"""


@dataclass(frozen=True)
class Run:
    """What one command took and said."""

    client: float
    """CPU seconds."""
    server: float
    wall: float
    said: str


def run(database: str) -> Iterator[Figure]:
    """Pull into an empty root, pull again."""
    with ExitStack() as stack:
        made = stack.enter_context(site(database)).start("resource-api")
        environ = dict(os.environ)
        if not environ.get("NETBOX_URL"):
            standing = stack.enter_context(served(scaled()))
            file = made.folder / "netbox.yaml"
            file.write_text(MAPPING)
            environ |= {"NETBOX_URL": standing.url, "NETBOX_TOKEN": TOKEN, "NETBOX_MAPPING": str(file)}
        first = _run(made, environ, "pull")
        again = _run(made, environ, "pull")
        assert again.said.startswith("0 differ"), again.said
        for name, what in (("pull into an empty root", first), ("pull again, nothing differs", again)):
            note = f"resource-api {what.server:.1f} s; {what.wall:.0f} s in all; {what.said}"
            yield Figure(f"{name}: CPU of resourcectl", database, what.client, "s", AIM_SECONDS, note=note)
        if environ.get("NETBOX_PUSH"):
            for name in ("push", "push again"):
                pushed = _run(made, environ, "push")
                yield Figure(f"{name}: CPU of resourcectl", database, pushed.client, "s", note=pushed.said)


def scaled() -> StandIn:
    """The stand-in with its lists made long: each rack has two PDUs, two switches and its servers."""
    small = StandIn()
    lists = {path: next(iter(items.values()), {}) for path, items in small.lists.items()}
    servers = [one for one in small.lists["dcim/devices"].values() if one["role"]["slug"] == "server"]
    pdus = [one for one in small.lists["dcim/devices"].values() if one["role"]["slug"] == "pdu"]
    switches = [one for one in small.lists["dcim/devices"].values() if one["role"]["slug"] == "tor-switch"]
    rooms = list(small.lists["dcim/racks"].values())
    for path in ("dcim/devices", "dcim/interfaces", "dcim/cables", "dcim/racks", "dcim/power-feeds"):
        small.lists[path].clear()
    for number in range(1, RACKS + 1):
        rack = {**rooms[number % 2], "id": number, "name": f"R{number:03}"}
        small.lists["dcim/racks"][number] = rack
        place = {"site": rack["site"], "location": rack["location"], "rack": {"id": number}}
        above = [
            _device(small, {**like[0], **place}, f"r{number:03}-{word}")
            for like in (pdus, switches)
            for word in (("pdu-a", "pdu-b") if like is pdus else ("tor-a", "tor-b"))
        ]
        for index in range(SERVERS):
            like = {**servers[0], **place, "position": float(index + 1)}
            server = _device(small, like, f"r{number:03}-srv{index:02}")
            for port in ("bmc", "eno3"):
                _port(small, lists["dcim/interfaces"], server, port)
            for side in (0, 1):
                ends = [
                    _port(small, lists["dcim/interfaces"], server, f"eno{side + 1}"),
                    _port(small, lists["dcim/interfaces"], above[2 + side], f"Ethernet{index}") if not side else None,
                ]
                far = ends[1] or {"id": 0, "name": f"Ethernet{index}", "device": above[2 + side]}
                _cable(small, "dcim.interface", ends[0], "dcim.interface", far)
                inlet = {"id": 0, "name": f"PS{side + 1}", "device": server}
                outlet = {"id": 0, "name": f"Outlet {index}", "device": above[side]}
                _cable(small, "dcim.powerport", inlet, "dcim.poweroutlet", outlet)
    return small


def _device(netbox: StandIn, like: Mapping[str, Any], name: str) -> dict[str, Any]:
    items = netbox.lists["dcim/devices"]
    items[len(items) + 1] = {**like, "id": len(items) + 1, "name": name, "serial": f"SN{name}", "primary_ip4": None}
    return {"id": len(items), "name": name}


def _port(netbox: StandIn, like: Mapping[str, Any], device: Mapping[str, Any], name: str) -> dict[str, Any]:
    items = netbox.lists["dcim/interfaces"]
    items[len(items) + 1] = {**like, "id": len(items) + 1, "name": name, "device": dict(device)}
    return items[len(items)]


def _cable(netbox: StandIn, a_type: str, a: Any, b_type: str, b: Any) -> None:
    items = netbox.lists["dcim/cables"]
    ends = [
        [{"object_type": kind, "object_id": end["id"], "object": {key: end[key] for key in ("id", "name", "device")}}]
        for kind, end in ((a_type, a), (b_type, b))
    ]
    items[len(items) + 1] = {"id": len(items) + 1, "a_terminations": ends[0], "b_terminations": ends[1]}


def _run(made: Site, environ: Mapping[str, str], verb: str) -> Run:
    token = Path(made.folder / "bench.token")
    token.write_text(made.token)
    words = ["netbox", verb, "-m", environ["NETBOX_MAPPING"], "--server", f"http://127.0.0.1:{made.rest_port}"]
    command = [sys.executable, "-m", "controller.cli", *words, "--token-file", str(token)]
    used, server, begin = _children(), made.cpu_seconds("resource-api"), time.perf_counter()
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    wall = time.perf_counter() - begin
    return Run(
        _children() - used, made.cpu_seconds("resource-api") - server, wall, done.stdout.strip().splitlines()[-1]
    )


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
