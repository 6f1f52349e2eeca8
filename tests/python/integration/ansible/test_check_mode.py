"""Check mode: actions are planned by the server, and each name that does not exist yet is one warning."""

from __future__ import annotations

import pytest

from controller.model import document, registry
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.ansible.cases import arguments, task
from tests.python.integration.ansible.conftest import Plays, Task
from tests.python.integration.ansible.test_modules import KINDS


@pytest.mark.design("N1")
def test_names_that_do_not_exist_yet_are_warnings_once(plays: Plays) -> None:
    racks = [
        {"kind": "Rack", "name": f"r{number}", "datacenter": "tokyo", "spec": {"floor": "f1"}} for number in (1, 2, 3)
    ]
    tasks: list[Task] = [
        {"resource.infra.datacenter": {"name": "tokyo"}},
        {"resource.infra.floor": {"name": "f1", "datacenter": "tokyo"}, "register": "floor"},
        {"resource.infra.apply": {"documents": racks}, "register": "racks"},
        {"resource.infra.node_cordon": {"cluster": "tokyo1", "name": "server1"}, "register": "cordon"},
        {"ansible.builtin.assert": {"that": ["floor.unresolved | length == 1", "cordon is changed"]}},
    ]
    done = plays.run(tasks, "--check", "--diff")
    assert done.returncode == 0, done.stdout
    shown = " ".join((done.stdout + done.stderr).split())
    for message in (
        "Datacenter tokyo does not exist, which Floor tokyo/f1 needs: without check mode this is refused",
        "Datacenter tokyo does not exist, which documents[0] Rack r1 and 2 more needs: without check mode",
        "Node tokyo1/server1 does not exist: without check mode the task fails",
    ):
        assert shown.count(message) == 1, done.stderr
    assert "WARNING" not in plays.run(tasks[:1], "--check", "--diff").stderr


@pytest.mark.design("N1")
def test_what_the_server_refuses_of_an_action_fails_in_check_mode_too(plays: Plays, db: Database) -> None:
    modules = [module for module in KINDS if module not in ("token", "join_token", "project")]
    plays.ok([task(module, "create", arguments(module)) for module in modules])
    made = document.parse(dict(registry.get("Compute").example))
    db.write(lambda tx: resources.insert(tx, [made]))
    named = {"region": "kanto", "name": made.name}
    move = {"resource.infra.compute_migrate": {**named, "node": "nowhere"}}
    told = [plays.refused({**move, "check_mode": check}) for check in (True, False)]
    assert told == [f"{made.name}: node: cluster tokyo1 has no node nowhere"] * 2


@pytest.mark.design("N1")
def test_a_list_below_a_parent_that_does_not_exist_yet_is_empty(plays: Plays) -> None:
    listed: Task = {"resource.infra.floor_info": {"datacenter": "tokyo"}, "register": "found"}
    tasks: list[Task] = [
        {"resource.infra.datacenter": {"name": "tokyo"}},
        listed,
        {"ansible.builtin.assert": {"that": ["found.resources == []", "found is not changed"]}},
    ]
    done = plays.run(tasks, "--check")
    assert done.returncode == 0, done.stdout
    told = " ".join(done.stderr.split())
    assert "Datacenter tokyo does not exist: without check mode the task fails, unless the play creates it" in told
    assert "Datacenter tokyo does not exist" in plays.refused({"resource.infra.floor_info": {"datacenter": "tokyo"}})
