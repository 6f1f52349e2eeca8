"""``resourcectl up`` applies its documents by the playbook."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controller.client import Client
from controller.errors import PermanentError
from controller.lab import up
from controller.lab.plane import ControlPlane
from tests.python.integration.ansible.conftest import ROOT
from tests.python.integration.cli.conftest import Server, Shell


@pytest.fixture
def plane(shell: Shell, server: Server, tmp_path: Path) -> ControlPlane:
    """What ``_apply`` asks of a control plane: where the API is, whose token, and where state is kept."""
    lab = SimpleNamespace(settings=SimpleNamespace(state=tmp_path))
    return cast(ControlPlane, SimpleNamespace(url=server.url, token_file=tmp_path / "admin.token", lab=lab))


def test_documents_are_applied_by_the_playbook(plane: ControlPlane) -> None:
    documents: list[dict[str, Any]] = [{"kind": "Region", "name": "kanto"}, {"kind": "Datacenter", "name": "tokyo"}]
    with Client(plane.url, token=plane.token_file.read_text().strip()) as client:
        up._apply(plane, client, ROOT / "examples" / "tokyo", documents)
        assert [region["name"] for region in client.list("Region")] == ["kanto"]


def test_what_the_playbook_was_refused_is_told(plane: ControlPlane) -> None:
    bad: list[dict[str, Any]] = [{"kind": "Region", "name": "kanto", "spec": {"nothing": 1}}]
    with (
        Client(plane.url, token=plane.token_file.read_text().strip()) as client,
        pytest.raises(PermanentError, match=r"Region kanto: spec\.nothing: unknown field"),
    ):
        up._apply(plane, client, ROOT / "examples" / "tokyo", bad)
