"""systemd units: one per process, and none that breaks what its process does."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.model.service_process import ProcessKind
from controller.process.process import FORCE_SECONDS
from controller.process.settings import ProcessSettings

FOLDER = Path(__file__).parents[4] / "deploy" / "systemd"


def directives(kind: ProcessKind) -> dict[str, str]:
    lines = (FOLDER / f"{kind.value}.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_every_process_has_its_unit_and_there_is_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.service")} == {kind.value for kind in ProcessKind}


@pytest.mark.parametrize("kind", list(ProcessKind))
def test_a_unit_runs_its_process_for_ever_and_lets_it_drain(kind: ProcessKind) -> None:
    unit = directives(kind)
    assert unit["ExecStart"].split()[1:] == ["run", kind.value, "--config", f"/etc/resource-service/{kind.value}.toml"]
    assert unit["Restart"] == "always"
    drain = ProcessSettings.model_fields["drain_seconds"].default
    assert float(unit["TimeoutStopSec"]) > drain + FORCE_SECONDS


@pytest.mark.parametrize("kind", [kind for kind in ProcessKind if kind is not ProcessKind.CLUSTER_AGENT])
def test_what_needs_no_privilege_has_none(kind: ProcessKind) -> None:
    unit = directives(kind)
    assert unit["User"] != "root"
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["ProtectSystem"] == "strict"


def test_the_agent_keeps_what_libvirt_and_the_network_need() -> None:
    unit = directives(ProcessKind.CLUSTER_AGENT)
    forbidden = {"PrivateTmp", "PrivateDevices", "PrivateUsers", "PrivateNetwork", "ProtectKernelTunables"}
    assert not forbidden & unit.keys()
    assert "AF_NETLINK" in unit["RestrictAddressFamilies"]
    assert "CAP_NET_ADMIN" in unit["CapabilityBoundingSet"]
