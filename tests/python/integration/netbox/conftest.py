"""The real API and ``resourcectl`` in process, and the stand-in of NetBox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.python.integration.cli.conftest import Shell, clusters, db, empty_shell, server, shell, url
from tests.python.integration.netbox.standin import TOKEN, StandIn, served

__all__ = ["clusters", "db", "empty_shell", "server", "shell", "url"]

MAPPING = """
names:
  overrides: {DC1-Room 1A-A: panel-1a-a}
floors: {level: top, number_pattern: 'floor-(?P<storey>\\d+)'}
roles: {server: Server, storage: Server, tor-switch: RackLeafRouter, pdu: Pdu, spine-switch: skip}
models: {arista-dcs-7050sx3-48yc8: {role: RackLeafRouter, cpus: 4}}
labels:
  custom_fields: {lifecycle: lifecycle}
  tags: {storage: purpose=storage}
"""


@pytest.fixture
def netbox() -> Iterator[StandIn]:
    with served(StandIn()) as standing:
        yield standing


@pytest.fixture
def ops(shell: Shell, netbox: StandIn) -> Shell:
    """A user who knows both."""
    shell.environ |= {"NETBOX_URL": netbox.url, "NETBOX_TOKEN": TOKEN}
    shell.write("netbox.yaml", MAPPING)
    return shell


@pytest.fixture
def mapping(ops: Shell) -> str:
    return str(ops.folder / "netbox.yaml")
