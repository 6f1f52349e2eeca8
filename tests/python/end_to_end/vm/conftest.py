"""One lab with the example site for all tests of this folder: virtual machines take long to boot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

from controller.lab import up
from controller.lab.settings import LabSettings
from tests.python.end_to_end.vm.site import Site
from tests.python.lab_guard import guarded
from tests.python.ports import free_port

EXAMPLES = Path(__file__).parents[4] / "examples" / "tokyo"


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The example site as ``resourcectl up`` makes it; gone afterwards, but for the logs of its processes."""
    # Daemons are killed on purpose: libvirt need not print each call that notices.
    libvirt.registerErrorHandler(lambda context, error: None, None)
    settings = LabSettings(id=f"v{os.getpid()}", folder=tmp_path_factory.mktemp("lab"), api_port=free_port())
    made = Site(settings, logs=tmp_path_factory.mktemp("log"))
    with guarded(settings):
        try:
            result = up.up(settings, EXAMPLES)
            assert result.complete, result.machines
            yield made
        finally:
            made.down()
