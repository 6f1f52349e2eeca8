"""The lookup, the filters and the rolling playbook, as plays use them."""

from __future__ import annotations

import pytest

from controller.model.node import NODE, Node
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.ansible.conftest import Plays, Task
from tests.python.integration.ansible_inventory.conftest import Inventories

pytestmark = pytest.mark.design("N2")
DEBUG = "ansible.builtin.debug"


def said(plays: Plays, expression: str) -> str:
    return plays.ok([{DEBUG: {"msg": f"<{{{{ {expression} }}}}>"}}]).partition("<")[2].partition(">")[0]


def refused(plays: Plays, expression: str) -> str:
    task: Task = {DEBUG: {"msg": f"{{{{ {expression} }}}}"}}
    done = plays.run([task])
    assert done.returncode == 2
    return done.stdout + done.stderr


@pytest.mark.usefixtures("inventories")
def test_lookups_by_path_and_by_filters(plays: Plays) -> None:
    lookup = "lookup('resource.infra.resource', 'tokyo/floor-1-1-1-rack-1-1', kind='rack')"
    assert said(plays, f"{lookup}.spec.floor") == "floor-1-1-1"
    query = "query('resource.infra.resource', kind='node', fields={'observed.zones.rack': 'floor-1-1-1-rack-1-1'})"
    assert said(plays, f"{query} | map(attribute='name') | join(' ')").startswith("floor-1-1-1-rack-1-1-server1")
    assert said(plays, "query('resource.infra.resource', 'tokyo/none', kind='rack', missing_ok=true) | length") == "0"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("'tokyo/none', kind='rack'", "Rack tokyo/none does not exist"),
        ("'none', kind='rack'", "write datacenter/name"),
        ("kind='rock'", "there is no 'rock'"),
        ("kind='rack', labels=['a b']", "not a label filter"),
        ("kind='rack', api_token='wrong'", "the token is not known"),
    ],
)
@pytest.mark.usefixtures("inventories")
def test_lookups_that_cannot_be(plays: Plays, given: str, message: str) -> None:
    assert message in refused(plays, f"query('resource.infra.resource', {given})")


@pytest.mark.usefixtures("inventories")
def test_filters_refuse_what_is_no_list_of_hosts(plays: Plays) -> None:
    assert "list of names" in refused(plays, "'x' | resource.infra.batches(hostvars)")
    assert "hostvars" in refused(plays, "['no-such'] | resource.infra.sort_by_rack({})")
    assert "size" in refused(plays, "[] | resource.infra.batches(hostvars, size=-1)")


def cordoned(db: Database) -> list[str]:
    nodes = db.read(lambda tx: resources.list_all(tx, NODE.name))
    return [node.name for node in nodes if isinstance(node, Node) and not node.spec.schedulable]


TWO = ("--limit", "floor-1-1-1-rack-1-1-server1*,floor-1-1-1-rack-1-1-server2*")


def rolling(inventories: Inventories, command: str, *more: str) -> tuple[int, str]:
    compose = {"ansible_connection": "'local'"}
    source = inventories.source(hosts=["nodes"], compose=compose)
    words = ("-i", str(source), "playbooks/rolling.yml", "-e", f"rolling_command={command!r}", *more)
    own = ("-e", "ansible_python_interpreter={{ansible_playbook_python}}")
    done = inventories.run("ansible-playbook", *words, *own)
    return done.returncode, done.stdout + done.stderr


def test_rolling_work_goes_batch_by_batch_and_opens_what_it_closed(inventories: Inventories, db: Database) -> None:
    log = inventories.folder / "log"
    code, told = rolling(
        inventories, f"tee -a {log}", "--limit", "floor-1-1-1-rack-1-1-server1*,floor-1-1-1-rack-1-1-server2*"
    )
    assert code == 0, told
    assert told.count("included:") == 2, "both are on one power domain"
    assert cordoned(db) == []


def test_rolling_work_ends_at_the_first_failure_and_leaves_it_closed(inventories: Inventories, db: Database) -> None:
    code, told = rolling(inventories, "false", *TWO)
    assert code != 0, told
    assert cordoned(db) == ["floor-1-1-1-rack-1-1-server1"], told


def test_rolling_work_without_a_command_is_refused(inventories: Inventories, db: Database) -> None:
    code, told = rolling(inventories, "")
    assert code != 0
    assert "rolling_command: say what to run" in told
    assert cordoned(db) == []
