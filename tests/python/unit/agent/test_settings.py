"""Settings of the agent: every number can come from the environment, where it is a text."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from controller.agent.settings import AgentSettings
from controller.errors import InvalidInput
from controller.model.strict_numbers import StrictNumbers
from controller.process.settings import load_settings


def test_numbers_inside_parts_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "NAME": "node0",
        "CLUSTER": "tokyo1",
        "TLS__FOLDER": "/tls",
        "API__TARGET": "unix:/api.sock",
        "STATE_FOLDER": "/state",
        "LIMITS__STARTS": "8",
        "LIMITS__CALL_DEADLINE": "8.5",
        "NETWORK__ENABLED": "true",
        "NETWORK__INFRASTRUCTURE": '["10.0.0.0/24"]',
        "LIBVIRT__CAPACITY__RESERVE_VCPUS": "2",
        "LIBVIRT__IMAGE_TIMEOUT": "60",
        "MEMORY__CAPACITY__VCPUS": "8",
        "MEMORY__START_SECONDS": "0.5",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"RESOURCE_{name}", value)
    settings = load_settings(AgentSettings, None)
    assert (settings.limits.starts, settings.limits.call_deadline) == (8, 8.5)
    assert settings.network.enabled is True
    assert settings.network.infrastructure == (IPv4Network("10.0.0.0/24"),)
    assert (settings.libvirt.capacity.reserve_vcpus, settings.libvirt.image_timeout) == (2, 60.0)
    assert (settings.memory.capacity.vcpus, settings.memory.start_seconds) == (8, 0.5)


def _agent_file(folder: Path, end: str) -> Path:
    file = folder / "cluster-agent.toml"
    text = 'name = "node0"\ncluster = "tokyo1"\n{end}\n[api]\ntarget = "10.0.0.1:7443"\n[tls]\nfolder = "/tls"\n'
    file.write_text(text.format(end=end))
    return file


def test_an_agent_does_not_start_where_its_guests_could_reach_the_nodes(tmp_path: Path) -> None:
    """With the default settings a guest reached the management addresses of other nodes."""
    for setting in ("", "network.infrastructure = []"):
        with pytest.raises(InvalidInput, match=r"network\.infrastructure is empty, .* management addresses"):
            load_settings(AgentSettings, _agent_file(tmp_path, setting))
    with pytest.raises(InvalidInput, match=r"network\.infrastructure\.0: .* IPv4 network"):
        load_settings(AgentSettings, _agent_file(tmp_path, 'network.infrastructure = ["10.0.0.1/24"]'))


@pytest.mark.parametrize(
    "setting",
    ['network.infrastructure = ["10.0.0.0/24"]', "network.enabled = false", 'driver = "Memory"'],
)
def test_infrastructure_is_named_or_the_agent_filters_no_guests(tmp_path: Path, setting: str) -> None:
    load_settings(AgentSettings, _agent_file(tmp_path, setting))


def test_no_part_of_the_settings_is_strict() -> None:
    """A strict part refuses what the environment gives; the capacity of the in-memory driver reads the texts itself."""
    waiting: list[type[BaseModel]] = [AgentSettings]
    strict: list[str] = []
    while waiting:
        model = waiting.pop()
        for name, field in model.model_fields.items():
            for kind in (field.annotation, *get_args(field.annotation)):
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    waiting.append(kind)
                    strict += [f"{model.__name__}.{name}"] * issubclass(kind, StrictNumbers)
    assert set(strict) <= {"MemorySettings.capacity", "MemorySettings.numa", "NumaCell.capacity"}
