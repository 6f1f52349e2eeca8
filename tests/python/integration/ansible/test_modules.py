"""Each module by real plays: in check mode, for real, and again."""

from __future__ import annotations

from typing import Any

import pytest

from controller.model import document, registry
from controller.model.compute import COMPUTE
from controller.model.region_service import REGION_SERVICE
from controller.model.registry import AnyResource
from controller.root.api import routes
from controller.store import resources
from controller.store.database import Database, Transaction
from scripts import collection
from tests.python.integration.ansible import cases
from tests.python.integration.ansible.cases import acted, arguments, task
from tests.python.integration.ansible.conftest import ROOT, Plays
from tests.python.integration.root.api.clusters import FakeClusters

KINDS = tuple(module for module in cases.CHANGES if module not in cases.SERVED)
SERVER_MADE = tuple(f"{kind.noun}_info" for kind in registry.kinds() if not kind.user_made)
WALKED: dict[str, tuple[str, ...]] = {
    "test_life_of_every_kind": (*KINDS, *(f"{module}_info" for module in KINDS)),
    "test_services_and_their_verbs": (
        *cases.SERVED,
        *(f"{module}_info" for module in cases.SERVED),
        *cases.SERVICE_VERBS,
    ),
    "test_verbs_of_nodes_and_computes": (*cases.NODE_VERBS, *cases.COMPUTE_VERBS),
    "test_verbs_that_move_many": (*cases.CLUSTER_VERBS, "region_service_rebalance"),
    "test_info_of_what_the_server_makes": SERVER_MADE,
    "test_apply_of_many_documents_and_purge": ("apply",),
}
"""Which test takes which modules through all of their steps (``cases.check`` looks at what the plays really did)."""


@pytest.mark.design("N1")
def test_every_module_has_its_case() -> None:
    found = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
    assert found == sorted(module for modules in WALKED.values() for module in modules)
    assert set(found) == set(collection.modules())
    assert all(callable(globals()[test]) for test in WALKED)
    assert {kind.noun for kind in registry.kinds() if kind.user_made} == set(cases.CHANGES)


@pytest.mark.design("N1")
def test_every_action_of_the_api_has_its_module() -> None:
    changing = [one for one in routes.operations() if one.kind is not None and one.method in ("POST", "DELETE")]
    by_state = {f"Delete{kind.name}" for kind in registry.kinds() if kind.user_made}
    assert sorted({one.id for one in changing} - by_state) == sorted(
        one for found in cases.ACTIONS.values() for one in found
    )
    acting = {
        name for name, entry in collection.modules().items() if entry["table"]["run"] in ("act", "move", "absent")
    }
    assert acting == set(cases.ACTIONS)


def walk(plays: Plays, test: str, *parts: list[cases.Task]) -> None:
    """Run the plays one after the other, and prove that the modules of the test went through all of their steps."""
    cases.check([record for part in parts for record in plays.recorded(part)], WALKED[test])


def test_modules_and_their_table_are_fresh() -> None:
    stale = [path for path, text in collection.files().items() if (ROOT / path).read_text() != text]
    assert stale == [], "run `make docs`"


@pytest.mark.design("N1")
def test_life_of_every_kind(plays: Plays) -> None:
    few = [KINDS[start : start + 5] for start in range(0, len(KINDS), 5)]  # short plays: the machine may be busy
    lives = [[one for module in modules for one in cases.made(module)] for modules in few]
    gone = [one for module in reversed(KINDS) for one in cases.removed(module)]
    walk(plays, "test_life_of_every_kind", *lives, gone)


@pytest.mark.design("N1")
def test_info_of_what_the_server_makes(plays: Plays, db: Database) -> None:
    kinds = [kind for kind in registry.kinds() if not kind.user_made]
    empty = [task(f"{kind.noun}_info", "find nothing", {"name": "no-such-name"}, "r.resources != []") for kind in kinds]
    plays.ok([task(module, "create", arguments(module)) for module in ("region", "datacenter", "cluster")])
    db.write(_seen)
    told = [one for kind in kinds for one in cases.infos(kind.noun, _named(kind.name))]
    walk(plays, "test_info_of_what_the_server_makes", [*empty, *told])


def _named(kind: str) -> dict[str, Any]:
    """The example's names, as options."""
    example = registry.get(kind).example
    return {key: value for key, value in example.items() if key in ("name", *registry.get(kind).parents)}


def _seen(tx: Transaction) -> None:
    """One of each kind that the server makes."""
    for kind in registry.kinds():
        if not kind.user_made:
            resources.insert(tx, [document.parse(dict(kind.example))])


@pytest.mark.design("N1")
def test_services_and_their_verbs(plays: Plays) -> None:
    below = [task(module, "create", arguments(module)) for module in ("region", "datacenter", "cluster", "provider")]
    below += [task(module, "create", arguments(module)) for module in ("resource_flavor", "image")]
    web = {"region": "kanto", "name": "web"}
    service = arguments("region_service")
    forecast = task("region_service", "create in check mode", service, "r.forecast is not defined", about="forecast")
    scale, back = {**web, "replicas": 5}, {**web, "revision": 1}
    verbs = [
        *acted("region_service_scale", scale, "r.resource.spec.replicas != 5"),
        task("region_service_rollback", "act again", back, about="nothing but the number of replicas differs"),
        task("region_service", "change", {**web, "max_revision_history": 3}),
        task("resource_flavor", "create", {**arguments("resource_flavor"), "name": "second"}),
        task("region_service", "change", {**web, "compute": {**service["compute"], "flavor": "second"}}),
        *acted("region_service_rollback", back, "r.resource.spec.compute.flavor != 'small'"),
    ]
    lives = [one for module in cases.SERVED for one in cases.made(module)]
    gone = [one for module in reversed(cases.SERVED) for one in cases.removed(module)]
    walk(plays, "test_services_and_their_verbs", [*below, forecast, *lives, *verbs, *gone])


@pytest.mark.design("N1")
def test_verbs_of_nodes_and_computes(plays: Plays, db: Database) -> None:
    modules = [module for module in KINDS if module not in ("token", "join_token", "project")]
    node = {key: arguments("node")[key] for key in ("cluster", "name")}
    on_nodes = [one for verb in cases.NODE_VERBS for one in acted(verb, node)]
    site = [task(module, "create", arguments(module)) for module in modules]
    site += [task("node", "create", {**arguments("node"), "name": "server2"}, about="another")]
    made = document.parse(dict(registry.get("Compute").example))
    named = {"region": "kanto", "name": made.name}
    power = [
        task("compute_power", "act again", {**named, "state": "started"}, about="it is asked to run"),
        *acted("compute_power", {**named, "state": "stopped"}, "r.resource.spec.power != 'Stopped'"),
        task("compute_power", "act", {**named, "state": "started"}, about="start"),
        task("compute_power", "act", {**named, "state": "rebooted"}, "r.resource.spec.reboots != 1", about="reboot"),
        task("compute_power", "act", {**named, "state": "rebooted"}, "r.resource.spec.reboots != 2", about="each time"),
    ]
    move = acted("compute_migrate", {**named, "node": "server2"}, "r.resource.spec.migrate_to != 'server2'")
    gone = [
        task("compute_delete", "delete in check mode", named),
        task("compute_delete", "delete", named),
        task("compute_delete", "delete again", named),
    ]
    first = plays.recorded([*site, *on_nodes])
    db.write(lambda tx: resources.insert(tx, [made]))
    records = [*first, *plays.recorded([*power, *move])]
    db.write(lambda tx: _arrived(tx, "server2"))
    there = task("compute_migrate", "act again", {**named, "node": "server2"}, about="it is there")
    records += plays.recorded([there, *gone])
    cases.check(records, WALKED["test_verbs_of_nodes_and_computes"])


@pytest.mark.design("N1")
def test_verbs_that_move_many(plays: Plays, db: Database, clusters: FakeClusters) -> None:
    """::

    cluster tokyo1: server1 (web-0), server2
    """
    below = ("region", "datacenter", "cluster", "provider", "resource_flavor", "image", "region_service")
    web = {"region": "kanto", "name": "web"}
    names = ("server1", "server2")
    both = {"name": "tokyo1", "nodes": list(names)}
    site = [task(module, "create", arguments(module)) for module in below]
    site += [task("node", "create", {"cluster": "tokyo1", "name": name}, about=name) for name in names]
    drains = [
        task("node_drain", "act", {"cluster": "tokyo1", "name": "server1"}),
        task("cluster_drain", "act in check mode", both, "r.nodes != ['server2']", "r.plan.message == ''"),
        task("cluster_drain", "act", both, "r.nodes != ['server2']", "r.resource.name != 'tokyo1'"),
        task("cluster_drain", "act again", both, "r.nodes != []"),
        *acted("cluster_cancel_drain", both, "r.nodes != ['server1', 'server2']"),
        task("cluster_drain", "act again", {**both, "nodes": ["server3"]}, about="no such node"),
    ]
    refused = {**drains.pop(), "failed_when": "'cluster tokyo1 has no node server3' not in r.msg"}
    records = plays.recorded([*site, *drains])
    plays.ok([refused])
    made = document.parse(dict(registry.get("Compute").example))
    db.write(lambda tx: _place(tx, made))
    move = {
        "resource": registry.key_of(made).path,
        "from": "server1",
        "to": "server2",
        "why": "rack r1 has 3, r2 has 1",
    }
    clusters.moves = {"moves": [move], "blocked": [], "message": ""}
    balance = {**web, "max_moves": 5}
    records += plays.recorded(acted("region_service_rebalance", balance, "r.plan.moves | length != 1")[:2])
    assert {"service": "default/kanto/web", "max_moves": 5} in [
        asked.get("rebalance") for _, asked in clusters.questions
    ]
    waits = plays.refused({"resource.infra.region_service_rebalance": web})
    assert waits == "web: moves that were requested are not completed yet: of web-0"
    db.write(lambda tx: _arrived(tx, "server2"))
    clusters.moves = {"moves": [], "blocked": [], "message": "it is balanced already"}
    records += plays.recorded([task("region_service_rebalance", "act again", balance, "r.plan.message == ''")])
    cases.check(records, WALKED["test_verbs_that_move_many"])


def _place(tx: Transaction, compute: AnyResource) -> None:
    """What the controller writes of a service that is on its cluster."""
    resources.insert(tx, [compute])
    (service,) = resources.list_all(tx, REGION_SERVICE)
    resources.update(tx, [service.model_copy(update={"observed": {"cluster": "tokyo1"}})])


def _arrived(tx: Transaction, node: str) -> None:
    """What a cluster reports when the Compute has moved."""
    (compute,) = resources.list_all(tx, COMPUTE)
    resources.update(tx, [compute.model_copy(update={"observed": {"node": node, "migrations": 1}})])


RACKS: list[dict[str, Any]] = [
    {"kind": "Rack", "name": f"rack-{number}", "datacenter": "tokyo", "labels": {"by": "play"}, "spec": {"floor": "f1"}}
    for number in range(3)
]
SITE: list[dict[str, Any]] = [
    {"kind": "Datacenter", "name": "tokyo"},
    {"kind": "Floor", "name": "f1", "datacenter": "tokyo", "labels": {"by": "play"}},
    *RACKS,
]


@pytest.mark.design("N1")
def test_apply_of_many_documents_and_purge(plays: Plays) -> None:
    purge = {"purge": True, "labels": ["by=play"]}
    fewer = {"documents": SITE[:3], **purge}
    other = {"documents": [*SITE[:4], {**SITE[4], "spec": {"floor": "f1", "row": 2}}]}
    gone = {"documents": SITE[:3], "state": "absent"}
    unresolved = "r.unresolved[0].document != 'documents[0] Floor f1'"
    tasks = [
        task("apply", "create in check mode", {"documents": SITE[1:]}, unresolved, about="without the parent"),
        task("apply", "create in check mode", {"documents": SITE}, "r.counts != {'create': 5}"),
        task("apply", "create", {"documents": SITE}, "r.counts != {'create': 5}"),
        task("apply", "create again", {"documents": SITE[::-1]}, "r.counts != {'unchanged': 5}"),
        task("apply", "create again in check mode", {"documents": SITE}, "r.diff != []"),
        task("apply", "create again", {"documents": SITE[:3]}, about="without purge"),
        task("apply", "change in check mode", other, "r.diff[0].after != {'spec.row': 2}", "r.diff | length != 1"),
        task("apply", "change", other, "r.counts != {'unchanged': 4, 'update': 1}"),
        task("apply", "change again", other),
        task("apply", "change in check mode", fewer, "r.counts.delete != 2", "r.diff | length != 2", about="purge"),
        task("apply", "change", fewer, "r.counts.delete != 2", about="purge"),
        task("apply", "change again", fewer, about="purge"),
        task("apply", "delete in check mode", gone),
        task("apply", "delete", gone),
        task("apply", "delete again", gone),
    ]
    walk(plays, "test_apply_of_many_documents_and_purge", tasks)


def test_a_step_that_is_missing_or_did_something_else_is_found(plays: Plays) -> None:
    named = {"name": "kanto"}
    steps = [task("region", "create in check mode", named), task("region", "create", named)]
    records = plays.recorded([*steps, task("region", "create again", named)])
    cases.check(records, ())
    with pytest.raises(AssertionError, match=r"region: .*delete again"):
        cases.check(records, ("region",))
    for wrong in ({"changed": False}, {"wrote": True}, {"check": False}, {"failed": True}, {"module": "rack"}):
        with pytest.raises(AssertionError, match="create in check mode"):
            cases.check([{**records[0], **wrong}], ())


@pytest.mark.design("N1")
def test_order_of_lists_is_no_change(plays: Plays) -> None:
    links = [{"inlet": "psu1", "source": "pdu-a"}, {"inlet": "psu2", "source": "pdu-b"}]
    named = {"datacenter": "tokyo", "name": "server1", "role": "Server"}
    linked = {"kind": "PhysicalResource", "name": "server1", "datacenter": "tokyo"}
    backward = {**linked, "spec": {"role": "Server", "power_links": links[::-1]}}
    pdus = [{"datacenter": "tokyo", "name": name, "role": "Pdu"} for name in ("pdu-a", "pdu-b")]
    tasks = [
        task("apply", "create", {"documents": SITE[:1]}),
        *(task("physical_resource", "create", pdu, about=pdu["name"]) for pdu in pdus),
        task("physical_resource", "create", {**named, "power_links": links}),
        task("physical_resource", "create again in check mode", {**named, "power_links": links[::-1]}),
        task("physical_resource", "create again", {**named, "power_links": links[::-1]}),
        task("apply", "create again", {"documents": [backward]}),
    ]
    cases.check(plays.recorded(tasks), ())
