"""A pull of more than one request holds: several transactions, and what is told when one of them fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.client import Client
from controller.errors import Conflict, Unavailable
from inventory_sync import mapping, pull
from inventory_sync.instance import with_instance
from inventory_sync.netbox_reader import NetBox
from inventory_sync.pull import Pull
from inventory_sync.translation import translate
from tests.python.integration.cli.conftest import Server, Shell
from tests.python.integration.netbox.standin import TOKEN, StandIn

LIMIT = 20_000
"""Bytes of a request: the recorded site does not fit in one."""
SMALL = ("--request-mib", str(LIMIT / (1 << 20)))


class Watched(httpx.BaseTransport):
    """Counts the writes that pass, and calls ``before`` with the number of each."""

    def __init__(self, before: Callable[[int], None] = lambda number: None) -> None:
        self._inner = httpx.HTTPTransport()
        self._before = before
        self.writes = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/apply" and "dry_run" not in request.url.query.decode():
            self.writes += 1
            self._before(self.writes)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


def _planned(client: Client, netbox: StandIn, file: str, limit: int = LIMIT) -> Pull:
    rules = with_instance(mapping.load(Path(file)), netbox.url)
    seen = NetBox(netbox.url, TOKEN).snapshot()
    return pull.plan(client, translate(seen, rules), rules, limit=limit)


def _client(ops: Shell, server: Server, transport: Watched) -> Client:
    return Client(server.url, token=(ops.folder / "admin.token").read_text().strip(), transport=transport)


def _devices(ops: Shell) -> int:
    return len(ops.ok("get", "physical-resources", "-o", "name").splitlines())


@pytest.mark.design("N4")
def test_more_than_a_request_goes_in_several_and_the_next_pull_writes_nothing(
    ops: Shell, server: Server, netbox: StandIn, mapping: str
) -> None:
    transport = Watched()
    with _client(ops, server, transport) as client:
        found = _planned(client, netbox, mapping)
        results = pull.write(client, found, limit=LIMIT)
    assert transport.writes > 3
    assert len(results) == len(found.wanted)
    for small in ((), SMALL):
        assert ops.ok("netbox", "pull", "-m", mapping, *small).splitlines()[-1].startswith("0 differ")


@pytest.mark.design("N4")
def test_a_pull_that_breaks_off_tells_what_was_written_and_the_next_one_finishes_it(
    ops: Shell, server: Server, netbox: StandIn, mapping: str
) -> None:
    def away(number: int) -> None:
        if number == 3:
            raise httpx.ConnectError("connection refused")

    with _client(ops, server, Watched(away)) as client:
        found = _planned(client, netbox, mapping)
        first = [len(batch) for batch in pull.batches(found.wanted, LIMIT)][:2]
        with pytest.raises(Unavailable) as caught:
            pull.write(client, found, limit=LIMIT)
    assert caught.value.message.endswith(
        f"; {sum(first)} of {len(found.wanted)} documents were written before; another run writes the rest"
    )
    told = ops.ok("netbox", "diff", "-m", mapping, *SMALL).splitlines()[-1]
    assert told.startswith(f"{len(found.wanted) - sum(first)} differ, {sum(first)} as in NetBox")
    ops.ok("netbox", "pull", "-m", mapping, *SMALL)
    assert ops.ok("netbox", "pull", "-m", mapping, *SMALL).splitlines()[-1].startswith("0 differ")


@pytest.mark.design("N4")
def test_what_is_refused_in_a_later_part_is_one_error_and_keeps_the_parts_before(
    ops: Shell, server: Server, netbox: StandIn, mapping: str
) -> None:
    """Somebody takes an address of the last device while the first parts are written."""
    at: list[tuple[int, dict[str, Any], dict[str, Any]]] = []

    def meddle(number: int) -> None:
        index, one, port = at[-1]
        if number == index + 1:
            spec = {"role": "Other", "ports": [{**port, "mac": None}]}
            mine = {"kind": "PhysicalResource", "name": "mine", "datacenter": one["datacenter"], "spec": spec}
            ops.ok("apply", "-f", "-", stdin=json.dumps(mine))

    with _client(ops, server, Watched(meddle)) as client:
        found = _planned(client, netbox, mapping)
        parts = list(pull.batches(found.wanted, LIMIT))
        for index, part in enumerate(parts):
            at += [(index, one, port) for one in part for port in one["spec"].get("ports", ()) if port["address"]]
        done = [one for part in parts[: at[-1][0]] for one in part]
        assert done
        with pytest.raises(Conflict) as caught:
            pull.write(client, found, limit=LIMIT)
    assert caught.value.users == ("PhysicalResource mine",)
    assert f"; {len(done)} of {len(found.wanted)} documents were written before" in caught.value.message
    assert _devices(ops) == 1 + sum(one["kind"] == "PhysicalResource" for one in done)


@pytest.mark.design("N4")
def test_addresses_change_hands_between_parts(ops: Shell, netbox: StandIn, mapping: str) -> None:
    """A renamed device and two that exchange their names: old and new owners are in different requests."""
    ops.ok("netbox", "pull", "-m", mapping)
    names = {one["name"]: one for one in netbox.lists["dcim/devices"].values()}
    first, second = names["dc1-r001-srv01"], names["dc1-r001-srv12"]
    first["name"], second["name"] = second["name"], first["name"]
    names["dc1-r001-srv02"]["name"] = "zz-renamed"
    for one in netbox.lists["dcim/devices"].values():
        one["serial"] += "X"  # so that all have to be written
    ops.ok("netbox", "pull", "-m", mapping, *SMALL)
    told = ops.ok("netbox", "pull", "-m", mapping, *SMALL, "--remove").splitlines()
    assert "no longer in NetBox: PhysicalResource dc1/dc1-r001-srv02, removed" in told
    server = json.loads(ops.ok("get", "physical-resource", "dc1/zz-renamed", "-o", "json"))
    assert "10.0.0.3" in {port["address"] for port in server["spec"]["ports"]}
    assert ops.ok("netbox", "pull", "-m", mapping).splitlines()[-1].startswith("0 differ")
