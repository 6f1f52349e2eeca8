"""One running plant per database engine for a module: starting eight processes is the slow part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.store.database import Database, Tier
from tests.python.databases import PostgresqlServer
from tests.python.end_to_end.plant import CLUSTER, Plant, plant

ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


def urls(folder: Path, server: PostgresqlServer | None) -> dict[Tier, str]:
    """URLs of two upgraded, empty databases: the root's and the cluster's."""
    made: dict[Tier, str] = {}
    for tier in Tier:
        made[tier] = f"sqlite:///{folder}/{tier}.db" if server is None else server.url(server.new())
        database = Database(made[tier], tier=tier, cluster=CLUSTER if tier is Tier.CLUSTER else "")
        database.upgrade()
        database.close()
    return made


@pytest.fixture(scope="module", params=ENGINES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A plant with three nodes."""
    server = request.getfixturevalue("postgresql_server") if request.param == "postgresql" else None
    made = urls(tmp_path_factory.mktemp("plant"), server)
    with plant(made[Tier.ROOT], made[Tier.CLUSTER]) as running:
        yield running
