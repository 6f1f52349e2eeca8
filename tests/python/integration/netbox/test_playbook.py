"""The playbook: a dry run in check mode, changed when something was written and not else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.python.integration.cli.conftest import Shell
from tests.python.integration.netbox.standin import StandIn

ROOT = Path(__file__).parents[4]
BIN = Path(sys.executable).parent


def _changed(ops: Shell, mapping: str, *words: str, fails: bool = False) -> int:
    """Run it; the number of tasks that say changed."""
    (changed,) = re.findall(r"changed=(\d+)", _output(ops, mapping, *words, fails=fails))
    return int(changed)


def _output(ops: Shell, mapping: str, *words: str, fails: bool = False) -> str:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("RESOURCE_", "ANSIBLE_"))}
    environ |= {key: value for key, value in ops.environ.items() if value is not None}
    environ |= {"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    environ |= {"ANSIBLE_HOME": str(ops.folder / "ansible"), "ANSIBLE_NOCOLOR": "1"}
    given = ["-e", f"netbox_mapping={mapping}", "-e", f"netbox_resourcectl={BIN / 'resourcectl'}", *words]
    command = [str(BIN / "ansible-playbook"), str(ROOT / "playbooks" / "netbox.yml"), *given]
    done = subprocess.run(command, env=environ, cwd=ops.folder, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout


@pytest.mark.design("N4", "N7")
@pytest.mark.partial("of the operations, the inventory from NetBox", "N7")
def test_playbook_pulls_once_and_says_so(ops: Shell, mapping: str) -> None:
    assert _changed(ops, mapping, "--check") == 1
    assert ops.ok("get", "physical-resources", "-o", "name") == ""
    assert _changed(ops, mapping) == 1
    assert _changed(ops, mapping, "--check") == 0
    assert _changed(ops, mapping, "-e", "netbox_push=true") == 0


@pytest.mark.design("N4")
def test_playbook_fails_with_a_wrong_token(ops: Shell, mapping: str) -> None:
    ops.environ["NETBOX_TOKEN"] = "nbt_abcdefghijkl.wrong"
    assert _changed(ops, mapping, fails=True) == 0


@pytest.mark.design("N4")
def test_playbook_fails_at_its_end_when_objects_were_skipped_unless_accepted(
    ops: Shell, netbox: StandIn, mapping: str
) -> None:
    netbox.find("dcim/devices", name="dc1-r001-srv01")["role"] = None
    assert "5 objects of NetBox were skipped" in _output(ops, mapping, "--check", fails=True)
    assert "5 objects of NetBox were skipped" in _output(ops, mapping, fails=True)
    assert "dc1-r001-srv02" in ops.ok("get", "physical-resources", "-o", "name")
    assert "5 objects of NetBox were skipped" in _output(ops, mapping, fails=True)
    assert _changed(ops, mapping, "-e", "netbox_allow_skipped=true") == 0
