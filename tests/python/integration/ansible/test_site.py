"""A whole site, and settings for a whole play."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from controller.model import document, registry
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.ansible.conftest import ROOT, Plays

SITE = ROOT / "playbooks" / "site.yml"
GUEST = {"kind": "Image", "name": "guest", "region": "kanto"}


def asked() -> set[str]:
    """The keys of all that the example asks for."""
    text = "\n---\n".join(path.read_text() for path in sorted((ROOT / "examples" / "tokyo").glob("*.yaml")))
    image = {**GUEST, "spec": {"url": "https://x/y", "checksum": "sha256:" + "0" * 64}}
    return {str(registry.key_of(one)) for one in document.parse_all([*document.read(text), image])}


def there(db: Database) -> dict[str, int]:
    """Keys and versions of what is there of the kinds that users make, but for what an empty API has."""
    kinds = [kind.name for kind in registry.kinds() if kind.user_made and kind.name not in ("Token", "Project")]
    found = db.read(lambda tx: [one for kind in kinds for one in resources.list_all(tx, kind)])
    return {str(registry.key_of(one)): one.resource_version for one in found}


def ran(plays: Plays, *options: str) -> int:
    """How many tasks of the playbook say that they changed something; it must succeed."""
    done = plays.playbook(SITE, *options)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (changed,) = re.findall(r"changed=(\d+)", done.stdout)
    return int(changed)


@pytest.mark.design("N7")
@pytest.mark.partial("the whole site; of the renewals only rolling work has a playbook", "N7")
def test_the_whole_site_is_built_from_nothing(plays: Plays, db: Database) -> None:
    assert ran(plays, "--check", "--diff") == 1
    assert there(db) == {}
    assert ran(plays) == 1
    built = there(db)
    assert set(built) == asked()
    assert ran(plays) == 0
    assert ran(plays, "--check", "--diff") == 0
    assert there(db) == built


@pytest.mark.design("N7")
@pytest.mark.partial("other documents by the same playbook", "N7")
def test_other_documents_are_built_by_the_same_playbook(plays: Plays, db: Database, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("kind: Datacenter\nname: osaka\n---\nkind: Region\nname: kansai\n")
    given = json.dumps({"site": [str(tmp_path / "site.yaml")], "site_documents": []})
    assert ran(plays, "-e", given) == 1
    assert set(there(db)) == {"Datacenter osaka", "Region kansai"}


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
