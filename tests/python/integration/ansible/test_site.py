"""A whole site, and settings for a whole play."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.python.integration.ansible.conftest import ROOT, Plays

pytestmark = pytest.mark.timeout(240)


@pytest.mark.design("N7")
def test_the_whole_site_is_built_from_nothing(plays: Plays) -> None:
    playbook = ROOT / "playbooks" / "site.yml"
    planned = plays.playbook(playbook, "--check")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    first = plays.playbook(playbook)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "changed=1" in first.stdout
    again = plays.playbook(playbook)
    assert "changed=0" in again.stdout
    assert "failed=0" in again.stdout


@pytest.mark.design("N1")
def test_defaults_of_the_group_reach_the_modules(plays: Plays, tmp_path: Path) -> None:
    server = plays.environ.pop("RESOURCE_SERVER")
    path = tmp_path / "defaults.yml"
    path.write_text(
        "- hosts: localhost\n  gather_facts: false\n"
        f"  module_defaults: {{group/resource.infra.api: {{api_url: '{server}'}}}}\n"
        "  tasks: [{resource.infra.region: {name: kanto}}, {resource.infra.region_info: {}}]\n"
    )
    done = plays.playbook(path)
    assert done.returncode == 0, done.stdout
