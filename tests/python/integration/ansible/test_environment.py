"""``environment:`` of plays, blocks and tasks chooses the API: what it says is never written elsewhere."""

from __future__ import annotations

import json

from controller.store import resources
from controller.store.database import Database
from tests.python.integration.ansible.conftest import Plays, Task

NOWHERE = {"RESOURCE_SERVER": "http://127.0.0.1:1"}


def region(name: str, **keywords: object) -> Task:
    return {"name": name, "resource.infra.region": {"name": name}, "ignore_errors": True, **keywords}


def test_the_environment_of_play_block_and_task_is_heeded_in_this_order(plays: Plays, db: Database) -> None:
    here = {"RESOURCE_SERVER": plays.environ["RESOURCE_SERVER"]}
    tasks = [
        region("elsewhere"),
        region("task", environment=here),
        {"block": [region("block"), region("elsewhere-again", environment=NOWHERE)], "environment": here},
        region("template", environment={"RESOURCE_SERVER": "{{ lookup('env', 'RESOURCE_SERVER') }}"}),
        {**region("option"), "resource.infra.region": {"name": "option", "api_url": here["RESOURCE_SERVER"]}},
    ]
    path = plays.folder / "play.yml"
    play = {"hosts": "localhost", "gather_facts": False, "environment": NOWHERE, "tasks": tasks}
    path.write_text(json.dumps([play]))
    done = plays.playbook(path)
    failed = [line for line in done.stdout.splitlines() if line.startswith("fatal:")]
    assert len(failed) == 2, done.stdout
    assert all("127.0.0.1:1" in line for line in failed), done.stdout
    made = db.read(lambda tx: [one.name for one in resources.list_all(tx, "Region")])
    assert sorted(made) == ["block", "option", "task", "template"]
