"""One lab with the example site for a module: starting it is the slow part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.lab import up
from controller.lab.settings import LabSettings
from tests.python.end_to_end.lab.site import Site
from tests.python.ports import free_port

EXAMPLES = Path(__file__).parents[4] / "examples" / "tokyo"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The example site, with three virtual machines that answer."""
    settings = LabSettings(id=f"e{os.getpid()}", folder=tmp_path_factory.mktemp("lab"), api_port=free_port())
    try:
        result = up.up(settings, EXAMPLES)
        assert result.complete, result.machines
        yield Site(settings)
    finally:
        up.down(settings)
