"""The lowest version of ansible-core that the collection allows; all other tests run the newest.

Design: N1, N2
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.python.integration.ansible.conftest import ROOT, Plays, Task

LOWEST = Path(sys.prefix) / "ansible-lowest"
ALLOWED = SpecifierSet(yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"])


def lowest() -> str:
    (found,) = LOWEST.glob("ansible_core-*.dist-info")
    return found.name.removeprefix("ansible_core-").removesuffix(".dist-info")


def test_both_tested_versions_are_allowed_and_the_lower_one_is_the_lowest() -> None:
    assert version("ansible-core") in ALLOWED
    assert lowest() in ALLOWED
    (floor,) = [each.version for each in ALLOWED if each.operator == ">="]
    assert lowest() == floor
    major, minor, _patch = version("ansible-core").split(".")
    assert f"{major}.{int(minor) + 1}.0" not in ALLOWED, "a version that no test runs"


@pytest.mark.design("N1", "N2")
def test_modules_lookup_and_inventory_work_with_the_lowest_version(plays: Plays) -> None:
    environ = {"PYTHONPATH": str(LOWEST)}
    rack = {"name": "a", "datacenter": "tokyo", "floor": "f", "row": 3}
    found = "lookup('resource.infra.resource', 'tokyo/a', kind='rack')"
    is_lowest = f"ansible_version.full == '{lowest()}'"
    tasks: list[Task] = [
        {"resource.infra.datacenter": {"name": "tokyo"}},
        {"resource.infra.apply": {"documents": [{"kind": "Floor", "name": "f", "datacenter": "tokyo"}]}},
        {"resource.infra.rack": rack, "register": "first"},
        {"resource.infra.rack": rack, "register": "second"},
        {"ansible.builtin.assert": {"that": ["first is changed", "second is not changed", f"{found}.spec.row == 3"]}},
        {"resource.infra.rack": {**rack, "row": "{{ 1 + 3 }}"}},
        {"resource.infra.rack_info": {}, "register": "racks"},
        {"ansible.builtin.assert": {"that": ["racks.resources[0].spec.row == 4", is_lowest]}},
        {"resource.infra.rack": {**rack, "state": "absent"}},
    ]
    done = plays.run(tasks, **environ)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    source = plays.folder / "topology.yml"
    source.write_text("plugin: resource.infra.topology\n")
    listed = plays.program("ansible-inventory", "-i", str(source), "--graph", **environ)
    assert listed.returncode == 0, listed.stderr
    assert "@all" in listed.stdout
