"""A cluster for each test, in a short folder: unix sockets have short names."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.store.database import Tier
from tests.python.databases import Databases
from tests.python.integration.cluster.site import CLUSTER, Site


@pytest.fixture
async def site(databases: Databases) -> AsyncIterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))
    url = databases.url(Tier.CLUSTER)
    made = Site(folder, url, databases.open(url, Tier.CLUSTER, cluster=CLUSTER))
    try:
        yield made
    finally:
        await made.close()
        shutil.rmtree(folder, ignore_errors=True)
