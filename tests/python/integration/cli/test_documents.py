"""apply, diff, get, describe and delete against the real API, with the example site."""

from __future__ import annotations

import json

import pytest
import yaml

from controller.cli.exit_codes import ExitCode
from controller.model import document, registry
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.cli.conftest import IMAGE, TOKYO, Shell


@pytest.mark.design("F1", "F2", "G2", "G3", "G4", "G5", "G6", "G7", "M1")
def test_the_example_is_applied_in_one_transaction_and_again_changes_nothing(shell: Shell) -> None:
    image = shell.write("image.yaml", IMAGE)
    first = shell.ok("apply", "-f", str(TOKYO), "-f", image)
    assert first.splitlines()[-1].endswith(" created")
    again = shell.ok("apply", "-f", str(TOKYO), "-f", image)
    assert again.splitlines()[-1].endswith(" unchanged")
    assert "created" not in again.splitlines()[-1]

    physical = shell.ok("get", "physical-resources", "-o", "name").splitlines()
    assert "physical_resource/tokyo/floor-1-1-1-rack-1-1-rack-leaf-router01" in physical
    for kind, name in (
        ("floor", "floor-1-1-1"),
        ("rack", "floor-1-1-1-rack-1-1"),
        ("cluster", "tokyo1"),
        ("nwaz", "network-1"),
        ("naz", "row-1"),
        ("network", "service"),
        ("flavor", "small"),
    ):
        assert name in shell.ok("get", kind, name)


@pytest.mark.design("F3", "G6")
def test_nodes_are_listed_by_table_and_by_filter(tokyo: Shell) -> None:
    lines = tokyo.ok("get", "nodes").splitlines()
    assert lines[0].split()[:3] == ["NAME", "RACK", "STATE"]
    assert len(lines) == 5
    rack = tokyo.ok("get", "pr", "--field", "spec.rack=floor-1-1-1-rack-1-2", "-o", "json")
    found = {item["name"] for item in json.loads(rack)}
    assert found == {
        f"floor-1-1-1-rack-1-2-{name}"
        for name in ("server1", "server2", "pdu-a", "pdu-b", "rack-leaf-router01", "rack-leaf-router02")
    }
    assert tokyo.ok("get", "racks", "-l", "spare=true", "-o", "name") == "rack/tokyo/floor-1-1-1-rack-1-3\n"
    assert len(tokyo.ok("get", "racks", "--limit", "2").splitlines()) == 3


def test_what_was_read_can_be_edited_and_sent_back(tokyo: Shell) -> None:
    document = yaml.safe_load(tokyo.ok("get", "service", "web", "-o", "yaml"))
    document["spec"]["replicas"] = 5
    out = tokyo.ok("apply", "-f", "-", stdin=yaml.safe_dump(document))
    assert out.splitlines()[-1] == "1 updated"
    assert json.loads(tokyo.ok("get", "service", "web", "-o", "json"))["spec"]["replicas"] == 5


def test_diff_tells_each_field_and_what_it_does_and_changes_nothing(tokyo: Shell) -> None:
    web = yaml.safe_load((TOKYO / "web.yaml").read_text())
    web["spec"]["replicas"] = 4
    web["spec"]["compute"]["flavor"] = "medium"
    file = tokyo.write("web.yaml", yaml.safe_dump(web))
    result = tokyo.run("diff", "-f", file, "--exit-code")
    assert result.exit_code == ExitCode.DIFFERS
    lines = result.stdout.splitlines()
    assert lines[0] == "~ RegionService default/kanto/web"
    assert "    spec.replicas: 3 -> 4" in lines
    assert '    spec.compute.flavor: "small" -> "medium"  (restart)' in lines
    assert "    forecast: web-3 on server1" in lines
    assert json.loads(tokyo.ok("get", "service", "web", "-o", "json"))["spec"]["replicas"] == 3
    assert tokyo.ok("diff", "-f", str(TOKYO), "--exit-code") == ""
    plan_with_forecasts = tokyo.ok("apply", "-f", file, "--dry-run").splitlines()
    assert "    forecast: web-3 on server1" in plan_with_forecasts
    for words in (("diff",), ("plan",), ("apply", "--dry-run"), ("apply",)):
        assert tokyo.ok(*words, "-f", file, "-o", "name") == "region_service/kanto/web\n"


def test_a_dry_run_names_what_is_unresolved(shell: Shell) -> None:
    out = shell.ok("apply", "--dry-run", "-f", str(TOKYO / "nodes.yaml"))
    assert "unresolved" in out
    assert "    unresolved: spec.providers[0]: Provider libvirt does not exist" in out.splitlines()
    assert out.splitlines()[-1] == "4 to create"
    assert shell.ok("get", "nodes") == "no nodes found\n"


def test_a_refused_apply_names_every_field_and_writes_nothing(shell: Shell) -> None:
    result = shell.run("apply", "-f", str(TOKYO))
    assert result.exit_code == ExitCode.INVALID
    assert "spec.compute.image" in result.stderr
    assert shell.ok("get", "regions") == "no regions found\n"


def test_bad_documents_are_refused_with_file_and_field_before_anything_is_sent(empty_shell: Shell) -> None:
    file = empty_shell.write("bad.yaml", "kind: Rack\nname: Bad_Name\ndatacenter: tokyo\nspec: {floor: f, rows: 1}\n")
    result = empty_shell.run("apply", "-f", file, "--server", "http://127.0.0.1:9")
    assert result.exit_code == ExitCode.INVALID
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert any(f"{file}[0] Rack Bad_Name: name: " in line for line in lines)
    assert any("spec.rows: unknown field" in line for line in lines)


def test_one_resource_by_name_with_its_parent_looked_for(tokyo: Shell) -> None:
    name = "floor-1-1-1-rack-1-1"
    for words in (("rack", name), ("rack", f"tokyo/{name}"), (f"rack/tokyo/{name}",)):
        assert json.loads(tokyo.ok("get", *words, "-o", "json"))["name"] == name
    missing = tokyo.run("get", "rack", "none")
    assert missing.exit_code == ExitCode.NOT_FOUND
    assert missing.stderr.startswith("error: ")


def test_a_parent_that_is_not_clear_is_asked_for(tokyo: Shell) -> None:
    tokyo.ok("apply", "-f", "-", stdin="kind: Datacenter\nname: osaka\n")
    result = tokyo.run("get", "rack", "floor-1-1-1-rack-1-1")
    assert result.exit_code == ExitCode.USAGE
    assert "--datacenter" in result.stderr
    assert "osaka, tokyo" in result.stderr
    assert tokyo.ok("get", "rack", "floor-1-1-1-rack-1-1", "--datacenter", "tokyo")


def test_describe_shows_everything(tokyo: Shell) -> None:
    out = tokyo.ok("describe", "service", "web")
    assert "Status: Initializing" in out
    assert "  replicas: 3" in out
    assert "Events" in out


def test_deleting_what_is_in_use_names_the_users(tokyo: Shell) -> None:
    result = tokyo.run("delete", "flavor", "small")
    assert result.exit_code == ExitCode.REFUSED
    assert "  used by RegionService default/kanto/web" in result.stderr.splitlines()


def test_delete_by_documents_takes_children_first(tokyo: Shell) -> None:
    files = [str(path) for path in TOKYO.glob("*.yaml") if path.name != "web.yaml"]
    words = [word for file in files for word in ("-f", file)]
    refused = tokyo.run("delete", *words, "-f", tokyo.write("image.yaml", IMAGE))
    assert refused.exit_code == ExitCode.REFUSED
    assert len(tokyo.ok("get", "nodes").splitlines()) == 5
    assert tokyo.ok("delete", "-f", str(TOKYO / "nodes.yaml")).splitlines()[-1] == "4 deleted"
    assert tokyo.ok("get", "nodes") == "no nodes found\n"


def test_delete_by_name(tokyo: Shell) -> None:
    assert tokyo.ok("delete", "rack", "floor-1-1-1-rack-1-3") == "Rack tokyo/floor-1-1-1-rack-1-3: deleted\n"
    assert tokyo.ok("delete", "service", "web") == "RegionService default/kanto/web: Deleting\n"


def test_an_api_that_is_away_is_worth_another_try(empty_shell: Shell) -> None:
    result = empty_shell.run("get", "nodes", "--server", "http://127.0.0.1:9")
    assert result.exit_code == ExitCode.TRY_AGAIN
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.design("D7")
def test_kinds_with_two_parents_are_listed_across_them_and_below_a_named_one(tokyo: Shell, db: Database) -> None:
    port = document.parse(registry.get("NetworkV4Port").example)
    db.write(lambda tx: resources.insert(tx, [port]))
    for words in (
        (),
        ("--cluster", "tokyo1"),
        ("--network", "service"),
        ("--cluster", "tokyo1", "--network", "service"),
    ):
        assert tokyo.ok("get", "ports", "-o", "name", *words) == "network_v4_port/tokyo1/service/172-16-10-10\n"
    assert "172.16.10.10" in tokyo.ok("get", "port", "172-16-10-10", "--network", "service")
    assert tokyo.run("get", "ports", "--network", "none").exit_code == ExitCode.NOT_FOUND


@pytest.mark.design("J7", "K2", "K4")
@pytest.mark.partial("a VIP is taken and kept, and has no data plane yet", "J7")
def test_computes_and_loadbalancers_come_only_from_a_service_of_a_region(tokyo: Shell) -> None:
    for kind in ("Compute", "Loadbalancer"):
        made = tokyo.write("made.json", json.dumps(registry.get(kind).example))
        refused = tokyo.run("apply", "-f", made)
        assert refused.exit_code == ExitCode.INVALID
        assert f"a {kind} is made by the server" in refused.stderr
    web = yaml.safe_load((TOKYO / "web.yaml").read_text())
    nowhere = tokyo.run("apply", "-f", "-", stdin=yaml.safe_dump({**web, "region": "nowhere"}))
    assert nowhere.exit_code == ExitCode.INVALID
    assert "nowhere" in nowhere.stderr
    web["spec"]["global_service"] = "missing"
    unlinked = tokyo.run("apply", "-f", "-", stdin=yaml.safe_dump(web))
    assert "spec.global_service" in unlinked.stderr


def test_a_service_must_choose_the_power_axis(tokyo: Shell) -> None:
    web = yaml.safe_load((TOKYO / "web.yaml").read_text())
    web["spec"]["compute"]["schedule_policy"]["rules"] = [{"axis": "rack", "mode": "AntiAffinity"}]
    refused = tokyo.run("apply", "-f", "-", stdin=yaml.safe_dump(web))
    assert refused.exit_code == ExitCode.INVALID
    assert "must choose the power axis" in refused.stderr
