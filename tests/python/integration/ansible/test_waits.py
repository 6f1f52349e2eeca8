"""``wait``: until the thing that was asked for is so, or clearly not; and what a task that is late says it changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.model import document, registry
from controller.model.region_service import REGION_SERVICE
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.ansible.cases import acted, arguments, task
from tests.python.integration.ansible.conftest import Plays, Task

pytestmark = [pytest.mark.design("N1")]
BRIEFLY = {"wait": True, "wait_timeout": 0.3}
WEB = {"region": "kanto", "name": "web"}
VM = {"region": "kanto", "name": "web-0"}
BELOW = ("region", "datacenter", "cluster", "provider", "resource_flavor", "image")


def failures(plays: Plays, *tasks: Task) -> list[dict[str, Any]]:
    """The results of tasks that fail, each in a play with its error ignored."""
    done = plays.run([{**one, "name": f"task {number}", "ignore_errors": True} for number, one in enumerate(tasks)])
    lines = [line.partition("=> ")[2] for line in done.stdout.splitlines() if line.startswith("fatal:")]
    assert len(lines) == len(tasks), done.stdout
    return [json.loads(line) for line in lines]


def edit(db: Database, kind: str, **update: Any) -> None:
    """What a controller would have written of the one resource of the kind."""

    def work(tx: Any) -> None:
        (found,) = resources.list_all(tx, kind)
        resources.update(tx, [found.model_copy(update=update)])

    db.write(work)


def test_services_are_waited_for_and_a_task_that_is_late_says_that_it_changed_something(
    plays: Plays, db: Database
) -> None:
    plays.ok([task(module, "create", arguments(module)) for module in BELOW])
    service = arguments("region_service")
    made, again, gone = failures(
        plays,
        {"resource.infra.region_service": {**service, **BRIEFLY}},
        {"resource.infra.region_service": {**service, **BRIEFLY}},
        {"resource.infra.region_service": {**WEB, "state": "absent", **BRIEFLY}},
    )
    late = "RegionService default/kanto/web did not become Active within 0.3 s, it is Initializing"
    assert (made["msg"], made["changed"]) == (late, True)
    assert (again["msg"], again["changed"]) == (late, False)
    assert gone["msg"] == "RegionService default/kanto/web was not deleted within 0.3 s, it is Deleting"
    assert gone["changed"]
    for planned in (False, True):
        (leaving,) = failures(plays, {"resource.infra.region_service": service, "check_mode": planned})
        assert leaving["msg"] == (
            "RegionService default/kanto/web is being deleted: run this again when it is deleted"
        ), "it was taken for one that stays"
        assert not leaving["changed"]
    edit(db, "RegionService", status="Error", status_reason="no cluster has room")
    (failed,) = failures(plays, {"resource.infra.region_service_scale": {**WEB, "replicas": 3, **BRIEFLY}})
    assert failed["msg"] == "RegionService default/kanto/web: no cluster has room"
    edit(db, "RegionService", status="Active", status_reason="")
    plays.ok([task("region_service_scale", "act again", {**WEB, "replicas": 3, **BRIEFLY})])


def test_many_documents_are_waited_for(plays: Plays, db: Database) -> None:
    """The option was there, and nothing was waited for."""
    plays.ok([task(module, "create", arguments(module)) for module in BELOW])
    web = dict(registry.get("RegionService").example)
    site: list[dict[str, Any]] = [{"kind": "Datacenter", "name": "osaka"}, web]
    gone: dict[str, Any] = {"documents": [web], "state": "absent"}
    (made,) = failures(plays, {"resource.infra.apply": {"documents": site, **BRIEFLY}})
    assert made["msg"] == ("1 did not become Active within 0.3 s: RegionService default/kanto/web: it is Initializing")
    assert made["changed"]
    edit(db, "RegionService", status="Error", status_reason="no cluster has room")
    (failed,) = failures(plays, {"resource.infra.apply": {"documents": site, **BRIEFLY}})
    assert (failed["msg"], failed["changed"]) == ("RegionService default/kanto/web: no cluster has room", False)
    edit(db, "RegionService", status="Active", status_reason="")
    plays.ok([task("apply", "create again", {"documents": site, **BRIEFLY})])
    (leaving,) = failures(plays, {"resource.infra.apply": {**gone, **BRIEFLY}})
    assert leaving["msg"] == "1 not deleted within 0.3 s: RegionService default/kanto/web: it is Deleting"
    assert leaving["changed"]
    db.write(lambda tx: resources.delete(tx, [registry.key_of(resources.list_all(tx, REGION_SERVICE)[0])]))
    plays.ok([task("apply", "delete again", {**gone, **BRIEFLY})])


def test_power_and_moves_are_waited_for_until_they_are_seen(plays: Plays, db: Database) -> None:
    """The status of a Compute stays Active while it is stopped: to wait for that was not to wait at all."""
    plays.ok([task(module, "create", arguments(module)) for module in BELOW])
    plays.ok([task("node", "create", {"cluster": "tokyo1", "name": name}) for name in ("server1", "server2")])
    made = document.parse(dict(registry.get("Compute").example))
    running = made.model_copy(update={"status": "Active", "state": "Running", "observed": {"node": "server1"}})
    db.write(lambda tx: resources.insert(tx, [running]))
    stop, move = {**VM, "state": "stopped", **BRIEFLY}, {**VM, "node": "server2", **BRIEFLY}
    stopping, moving = failures(plays, {"resource.infra.compute_power": stop}, {"resource.infra.compute_migrate": move})
    assert (stopping["msg"], stopping["changed"]) == (
        "Compute default/kanto/web-0 did not become Stopped within 0.3 s",
        True,
    )
    assert (moving["msg"], moving["changed"]) == ("Compute default/kanto/web-0 did not move within 0.3 s", True)
    failed = {"reason": "no room", "at": "2030-01-01T00:00:00Z"}
    edit(db, "Compute", observed={"node": "server1", "migrations": 1, "migration_failed": failed})
    (refused,) = failures(plays, {"resource.infra.compute_migrate": {**VM, **BRIEFLY, "node": "server2"}})
    assert refused["msg"] == "Compute default/kanto/web-0 did not move within 0.3 s", "it was asked for once more"
    edit(db, "Compute", observed={"node": "server1", "migrations": 2, "migration_failed": failed})
    (refused,) = failures(plays, {"resource.infra.compute_migrate": {**VM, **BRIEFLY, "node": None}})
    assert refused["msg"] == "Compute default/kanto/web-0 did not move within 0.3 s"
    edit(db, "Compute", state="Stopped", observed={"node": "server2", "migrations": 3})
    plays.ok([task("compute_power", "act again", stop), task("compute_migrate", "act again", move)])
    (reboot,) = failures(plays, {"resource.infra.compute_power": {**VM, "state": "rebooted"}, "check_mode": True})
    assert reboot["msg"] == "Compute default/kanto/web-0 is stopped: start it"


def test_check_mode_of_verbs_on_services_is_the_plan_of_the_server(plays: Plays) -> None:
    plays.ok([task(module, "create", arguments(module)) for module in (*BELOW, "region_service")])
    scale = {**WEB, "replicas": 5}
    forecast = "r.forecast.placements | length != 5"
    planned = task("region_service_scale", "act in check mode", scale, "r.diff.after != {'spec.replicas': 5}", forecast)
    plays.ok([planned])
    (none,) = failures(plays, {"resource.infra.region_service_scale": {**WEB, "replicas": 0}, "check_mode": True})
    assert none["msg"].startswith("web: replicas: ")  # what the action itself answers


def test_cordon_of_a_node_that_drains_outlives_the_drain(plays: Plays) -> None:
    """The node is cordoned already, but by its drain, and would be opened with the drain's end."""
    plays.ok([task(module, "create", arguments(module)) for module in ("region", "datacenter", "cluster")])
    node = {"cluster": "tokyo1", "name": "server1"}
    tasks = [task("node", "create", node), task("node_drain", "act", node)]
    tasks += acted("node_cordon", node, "r.resource.spec.cordoned_by != 'Operator'", "not r.resource.spec.drain")
    plays.ok(tasks)


def test_info_finds_what_is_true_or_false(plays: Plays, db: Database) -> None:
    """A filter by ``false`` was sent as ``False``, which nothing is."""
    made = document.parse(dict(registry.get("Node").example))
    db.write(lambda tx: resources.insert(tx, [made]))
    schedulable, closed = ({"fields": {"spec.schedulable": value}} for value in (True, False))
    plays.ok(
        [
            task("node_info", "find", schedulable, "r.resources | length != 1"),
            task("node_info", "find nothing", closed, "r.resources != []"),
        ]
    )
