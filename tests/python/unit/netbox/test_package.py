"""The package's name is frozen, and resourcectl has its command by the entry point alone."""

from __future__ import annotations

import importlib
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

from controller.cli import extensions
from controller.cli.main import COMMANDS
from inventory_sync import mapping

ROOT = Path(__file__).parents[4]


def test_import_name_is_frozen_and_in_the_wheel() -> None:
    assert importlib.import_module("inventory_sync").__name__ == "inventory_sync"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "inventory_sync" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_the_command_is_joined_by_its_entry_point() -> None:
    assert "netbox" not in COMMANDS
    (point,) = entry_points(group=extensions.GROUP, name="netbox")
    assert point.value == "inventory_sync.cli:commands"
    group = extensions.command("netbox")
    assert group is not None
    assert set(group.commands) == {"pull", "diff", "push"}  # type: ignore[attr-defined]
    assert extensions.command("no-such") is None


def test_the_mapping_on_the_page_is_a_good_one() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "netbox.md").read_text(), flags=re.DOTALL)
    rules = mapping.parse(block)
    assert set(rules.model_fields_set) >= {"names", "floors", "racks", "roles", "models", "labels", "networks"}
