"""The lookup, the filters and the rolling playbook, as plays use them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from controller.model.node import NODE, Node
from controller.store import resources
from controller.store.database import Database, Transaction
from tests.python.integration.ansible.conftest import Plays, Task
from tests.python.integration.ansible_inventory.conftest import Inventories

pytestmark = [
    pytest.mark.design("N2", "N7"),
    pytest.mark.partial("rolling work; the renewals of a rack, a network device or a region have no playbook", "N7"),
]
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
    nodes = db.read(lambda tx: resources.list_all(tx, NODE))
    return [node.name for node in nodes if isinstance(node, Node) and not node.spec.schedulable]


def local_nodes(inventories: Inventories, **options: Any) -> Path:
    return inventories.source(hosts=["nodes"], compose={"ansible_connection": "'local'"}, **options)


TWO = ("--limit", "floor-1-1-1-rack-1-1-server1*,floor-1-1-1-rack-1-1-server2*")


def rolling(inventories: Inventories, command: str, *more: str, source: Path | None = None) -> tuple[int, str]:
    source = source or local_nodes(inventories)
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


def ask(db: Database, name: str, **spec: Any) -> None:
    """What an operator asks of a node, past the inventory."""

    def work(tx: Transaction) -> None:
        node = resources.get(tx, NODE.key("tokyo1", name))
        resources.update(tx, [node.model_copy(update={"spec": node.spec.model_copy(update=spec)})])

    db.write(work)


def test_rolling_work_heeds_the_api_and_not_what_a_cached_inventory_says(
    inventories: Inventories, db: Database
) -> None:
    """The inventory says that server1 is cordoned and server2 is not; by now it is the other way round."""
    first, second = (f"floor-1-1-1-rack-1-1-server{number}" for number in (1, 2))
    ask(db, first, schedulable=False)
    source = local_nodes(inventories, cache=True, cache_timeout=3600)
    inventories.listed(source)
    ask(db, first, schedulable=True)
    ask(db, second, schedulable=False)
    old = {name: host.get("resource_cordoned") for name, host in inventories.hosts(source).items()}
    assert {name.split(".")[0] for name, cordoned in old.items() if cordoned} == {first}, "the cache is not old"
    code, told = rolling(inventories, "true", *TWO, source=source)
    assert code == 0, told
    assert cordoned(db) == [second]


def test_rolling_work_leaves_what_was_drained_in_the_meantime(inventories: Inventories, db: Database) -> None:
    name = "floor-1-1-1-rack-1-1-server1"
    token = Path(inventories.environ["RESOURCE_TOKEN_FILE"]).read_text().strip()
    url = f"{inventories.environ['RESOURCE_SERVER']}/v1/clusters/tokyo1/nodes/{name}/drain"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    drain = inventories.folder / "drain.py"
    drain.write_text(f"from urllib.request import Request, urlopen\nurlopen(Request({url!r}, b'{{}}', {headers!r}))\n")
    code, told = rolling(inventories, f"{sys.executable} {drain}", "--limit", f"{name}*")
    assert code == 0, told
    assert cordoned(db) == [name]


def test_rolling_work_apart_by_what_no_node_has_is_refused(inventories: Inventories, db: Database) -> None:
    """A word that was mistyped would have all nodes in one batch, cordoned at once."""
    code, told = rolling(inventories, "true", "-e", "rolling_apart=resource_power_domian")
    assert code != 0
    assert "no host has the variable 'resource_power_domian'" in " ".join(told.split())
    assert cordoned(db) == []


def test_rolling_work_without_a_command_is_refused(inventories: Inventories, db: Database) -> None:
    code, told = rolling(inventories, "")
    assert code != 0
    assert "rolling_command: say what to run" in told
    assert cordoned(db) == []
