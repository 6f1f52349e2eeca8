"""Each module by real plays: in check mode, for real, and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.model import document, registry
from controller.store import resources
from controller.store.database import Database
from scripts import collection
from tests.python.integration.ansible import cases
from tests.python.integration.ansible.cases import CHANGED, CHECK, SAME, arguments, task
from tests.python.integration.ansible.conftest import ROOT, Plays

pytestmark = pytest.mark.timeout(240)


@pytest.mark.design("N1")
def test_every_module_has_its_case() -> None:
    found = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    infos = {f"{kind.noun}_info" for kind in registry.kinds()}
    assert found == {*cases.CHANGES, *cases.VERBS, *infos, "apply"}
    assert {kind.noun for kind in registry.kinds() if kind.user_made} == set(cases.CHANGES)


def test_modules_and_their_table_are_fresh() -> None:
    stale = [path for path, text in collection.files().items() if (ROOT / path).read_text() != text]
    assert stale == [], "run `make docs`"


@pytest.mark.design("N1")
def test_life_of_every_kind(plays: Plays) -> None:
    modules = [module for module in cases.CHANGES if module not in cases.SERVED]
    plays.ok([one for module in modules for one in cases.made(module)])
    plays.ok([one for module in reversed(modules) for one in cases.removed(module)])


@pytest.mark.design("N1")
def test_info_of_what_the_server_makes_lists_all_of_it(plays: Plays) -> None:
    kinds = [kind.noun for kind in registry.kinds() if not kind.user_made]
    plays.ok([task(f"{noun}_info", {}, SAME, "r.resources is not defined") for noun in kinds])


@pytest.mark.design("N1")
def test_services_and_their_verbs(plays: Plays) -> None:
    below = [task(module, arguments(module), CHANGED) for module in ("region", "datacenter", "cluster", "provider")]
    below += [task(module, arguments(module), CHANGED) for module in ("resource_flavor", "image")]
    web = {"region": "kanto", "name": "web"}
    forecast = task("region_service", arguments("region_service"), CHANGED, "r.forecast is not defined", **CHECK)
    template = arguments("region_service")["compute"]
    scale, back = {**web, "replicas": 5}, {**web, "revision": 1}
    verbs = [
        task("region_service_scale", scale, CHANGED, "r.diff.after.replicas != 5", **CHECK),
        task("region_service_scale", scale, CHANGED, "r.resource.spec.replicas != 5"),
        task("region_service_scale", scale, SAME),
        task("region_service_rollback", back, SAME),
        task("region_service", {**web, "max_revision_history": 3}, CHANGED),
        task("resource_flavor", {**arguments("resource_flavor"), "name": "second"}, CHANGED),
        task("region_service", {**web, "compute": {**template, "flavor": "second"}}, CHANGED),
        task("region_service_rollback", back, CHANGED, "'compute' not in r.diff.after", **CHECK),
        task("region_service_rollback", back, CHANGED, "r.resource.spec.compute.flavor != 'small'"),
        task("region_service_rollback", back, SAME),
    ]
    lives = [one for module in cases.SERVED for one in cases.made(module)]
    gone = [one for module in reversed(cases.SERVED) for one in cases.removed(module)]
    plays.ok([*below, forecast, *lives, *verbs, *gone])


@pytest.mark.design("N1")
def test_verbs_of_nodes_and_computes(plays: Plays, db: Database) -> None:
    modules = [module for module in cases.CHANGES if module not in (*cases.SERVED, "token", "join_token")]
    node, compute = arguments("node_cordon"), arguments("compute_power")
    node["cluster"] = arguments("node")["cluster"]
    named = {key: value for key, value in compute.items() if key != "state"}
    tasks = [task(module, arguments(module), CHANGED) for module in modules if module != "project"]
    for verb in ("node_cordon", "node_drain", "node_uncordon"):
        tasks += [task(verb, node, CHANGED, "r.diff.after == r.diff.before", **CHECK), task(verb, node, CHANGED)]
        tasks += [task(verb, node, SAME), task(verb, node, SAME, **CHECK)]
    plays.ok(tasks)
    raw = {**registry.get("Compute").example, "name": named["name"], "region": named["region"]}
    made = document.parse(raw)
    db.write(lambda tx: resources.insert(tx, [made]))
    stopped, started = {**named, "state": "stopped"}, {**named, "state": "started"}
    moved = {**named, "node": arguments("node")["name"]}
    plays.ok(
        [
            task("compute_power", started, SAME),
            task("compute_power", stopped, CHANGED, **CHECK),
            task("compute_power", stopped, CHANGED, "r.resource.spec.power != 'Stopped'"),
            task("compute_power", stopped, SAME),
            task("compute_power", started, CHANGED),
            task("compute_power", {**named, "state": "rebooted"}, CHANGED, "r.resource.spec.reboots != 1"),
            task("compute_migrate", moved, CHANGED, **CHECK),
            task("compute_delete", named, CHANGED, **CHECK),
            task("compute_delete", named, CHANGED),
            task("compute_delete", named, SAME),
        ]
    )


RACKS = [
    {"kind": "Rack", "name": f"rack-{number}", "datacenter": "tokyo", "labels": {"by": "play"}, "spec": {"floor": "f1"}}
    for number in range(3)
]
SITE = [
    {"kind": "Datacenter", "name": "tokyo"},
    {"kind": "Floor", "name": "f1", "datacenter": "tokyo", "labels": {"by": "play"}},
    *RACKS,
]


@pytest.mark.design("N1")
def test_apply_of_many_documents_and_purge(plays: Plays) -> None:
    purge = {"purge": True, "labels": ["by=play"]}
    fewer = {"documents": SITE[:3], **purge}
    plays.ok(
        [
            task(
                "apply",
                {"documents": SITE[1:]},
                CHANGED,
                "r.unresolved[0].document != 'documents[0] Floor f1'",
                **CHECK,
            ),
            task("apply", {"documents": SITE}, CHANGED, "r.counts.create != 5", **CHECK),
            task("apply", {"documents": SITE}, CHANGED, "r.counts.create != 5"),
            task("apply", {"documents": SITE[::-1]}, SAME, "r.counts != {'unchanged': 5}"),
            task("apply", {"documents": SITE[:3]}, SAME),
            task("apply", fewer, CHANGED, "r.counts.delete != 2", "r.diff | length != 2", **CHECK),
            task("apply", fewer, CHANGED, "r.counts.delete != 2"),
            task("apply", fewer, SAME),
            task("apply", {"documents": SITE[:3], "state": "absent"}, CHANGED, **CHECK),
            task("apply", {"documents": SITE[:3], "state": "absent"}, CHANGED),
            task("apply", {"documents": SITE[:3], "state": "absent"}, SAME),
        ]
    )


@pytest.mark.design("N1")
def test_order_of_lists_is_no_change(plays: Plays) -> None:
    links = [{"inlet": "psu1", "source": "pdu-a"}, {"inlet": "psu2", "source": "pdu-b"}]
    named = {"datacenter": "tokyo", "name": "server1", "role": "Server"}
    document = {"kind": "PhysicalResource", "name": "server1", "datacenter": "tokyo"}
    reversed_links = {**document, "spec": {"role": "Server", "power_links": links[::-1]}}
    plays.ok(
        [
            task("apply", {"documents": SITE[:1]}, CHANGED),
            *(task("physical_resource", {**named, "name": pdu, "role": "Pdu"}, CHANGED) for pdu in ("pdu-a", "pdu-b")),
            task("physical_resource", {**named, "power_links": links}, CHANGED),
            task("physical_resource", {**named, "power_links": links[::-1]}, SAME, **CHECK),
            task("physical_resource", {**named, "power_links": links[::-1]}, SAME),
            task("apply", {"documents": [reversed_links]}, SAME),
        ]
    )


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
