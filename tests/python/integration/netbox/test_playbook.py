"""The playbook: a dry run in check mode, changed when something was written and not else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.python.integration.cli.conftest import Shell

ROOT = Path(__file__).parents[4]
BIN = Path(sys.executable).parent


def _changed(ops: Shell, mapping: str, *words: str, fails: bool = False) -> int:
    """Run it; the number of tasks that say changed."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("RESOURCE_", "ANSIBLE_"))}
    environ |= {key: value for key, value in ops.environ.items() if value is not None}
    environ |= {"ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    environ |= {"ANSIBLE_HOME": str(ops.folder / "ansible"), "ANSIBLE_NOCOLOR": "1"}
    given = ["-e", f"netbox_mapping={mapping}", "-e", f"netbox_resourcectl={BIN / 'resourcectl'}", *words]
    command = [str(BIN / "ansible-playbook"), str(ROOT / "playbooks" / "netbox.yml"), *given]
    done = subprocess.run(command, env=environ, cwd=ops.folder, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    (changed,) = re.findall(r"changed=(\d+)", done.stdout)
    return int(changed)


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
