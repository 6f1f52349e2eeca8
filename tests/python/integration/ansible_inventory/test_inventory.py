"""``ansible-inventory`` over the example site: hosts, groups, filters, constructed groups and the cache."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.python.integration.ansible_inventory.conftest import Inventories
from tests.python.integration.cli.conftest import Server, Shell

pytestmark = pytest.mark.design("N2")
SERVER1 = "floor-1-1-1-rack-1-1-server1.tokyo1"


def test_nodes_and_computes_with_their_variables_in_nested_groups(inventories: Inventories) -> None:
    told = inventories.listed(inventories.source())
    hosts = told["_meta"]["hostvars"]
    assert {each["resource_kind"] for each in hosts.values()} == {"Node", "Compute"}
    assert hosts[SERVER1]["resource_rack"] == "floor-1-1-1-rack-1-1"
    assert hosts[SERVER1]["resource_free_vcpus"] == 16
    assert hosts["web-0.default.kanto"]["resource_node"] == "floor-1-1-1-rack-1-1-server1"
    assert told["datacenter_tokyo"]["children"][0] == "floor_tokyo_floor_1_1_1"
    assert "rack_tokyo_floor_1_1_1_rack_1_1" in told["floor_tokyo_floor_1_1_1"]["children"]
    assert SERVER1 in told["rack_tokyo_floor_1_1_1_rack_1_1"]["hosts"]
    assert {"cluster_tokyo1", "availability_zone_kanto_kanto_a"} <= set(told["region_kanto"]["children"])


def test_physical_resources_are_hosts_when_asked_for(inventories: Inventories) -> None:
    hosts = inventories.hosts(inventories.source(hosts=["nodes", "physical_resources"]))
    kinds = {each["resource_kind"] for each in hosts.values()}
    machines = {each["resource_name"] for each in hosts.values() if each["resource_kind"] == "PhysicalResource"}
    assert kinds == {"Node", "PhysicalResource"}
    assert "floor-1-1-1-rack-1-1-server1" not in machines, "the machine of a node is that node"
    assert any("leaf" in name for name in machines)


def test_filters_are_done_by_the_api(inventories: Inventories) -> None:
    rack = "floor-1-1-1-rack-1-1"
    source = inventories.source(hosts=["nodes"], fields=[f"Node:observed.zones.rack={rack}"])
    assert {each["resource_rack"] for each in inventories.hosts(source).values()} == {rack}
    assert not inventories.hosts(inventories.source(hosts=["nodes"], labels=["no=such"]))


def test_filters_are_alternatives_and_negations(inventories: Inventories) -> None:
    racks = [f"floor-1-1-1-rack-1-{number}" for number in (1, 2)]
    either = [[f"Node:observed.zones.rack={rack}" for rack in racks]]
    hosts = inventories.hosts(inventories.source(hosts=["nodes"], fields=either))
    assert {each["resource_rack"] for each in hosts.values()} == set(racks)
    others = [*either, f"Node:observed.zones.rack!={racks[0]}"]
    assert {
        each["resource_rack"] for each in inventories.hosts(inventories.source(hosts=["nodes"], fields=others)).values()
    } == {racks[1]}
    mistyped = inventories.source(hosts=["nodes"], fields=[["Node:state=Up", "Node:spec.providrs=x"]])
    assert "spec.providrs" in inventories.refused(mistyped)
    assert "fields[0]: {'Node:state': 'Up'} must be a text" in inventories.refused(
        inventories.source(fields=[{"Node:state": "Up"}])
    )


def test_constructed_variables_and_groups(inventories: Inventories) -> None:
    source = inventories.source(
        strict=True,
        compose={"ansible_user": "'ops'", "place": "resource_kind ~ '/' ~ resource_name"},
        groups={"full": "resource_free_vcpus is defined and resource_free_vcpus < 16"},
        keyed_groups=[{"key": "resource_kind | lower", "prefix": "kind"}],
    )
    told = inventories.listed(source)
    assert told["_meta"]["hostvars"][SERVER1]["place"] == "Node/floor-1-1-1-rack-1-1-server1"
    assert told["_meta"]["hostvars"][SERVER1]["ansible_user"] == "ops"
    assert told["kind_compute"]["hosts"] == ["web-0.default.kanto"]
    assert SERVER1 not in told["full"]["hosts"]


def test_strict_tells_the_bad_expression_and_without_it_is_passed_over(inventories: Inventories) -> None:
    compose = {"bad": "no_such_variable.name"}
    assert "bad" in inventories.refused(inventories.source(strict=True, compose=compose))
    assert "bad" not in inventories.hosts(inventories.source(compose=compose))[SERVER1]


def test_text_of_the_api_is_never_a_template(inventories: Inventories, shell: Shell) -> None:
    document = {"kind": "PhysicalResource", "name": "trap", "datacenter": "tokyo"}
    document["spec"] = {"role": "Other", "serial": "{{ 6 * 7 }}"}  # type: ignore[assignment]
    shell.ok("apply", "-f", shell.write("trap.json", json.dumps(document)))
    source = inventories.source(hosts=["physical_resources"])
    done = inventories.run("ansible", "trap.tokyo", "-i", source, "-m", "debug", "-a", "var=resource_serial")
    assert '"{{ 6 * 7 }}"' in done.stdout, done.stdout + done.stderr


def cached(inventories: Inventories, **more: Any) -> Path:
    return inventories.source(cache=True, **more)


def files(inventories: Inventories) -> list[Path]:
    return sorted((inventories.folder / "user-cache" / "resource.infra" / "inventory").glob("*"))


def test_a_cache_answers_while_the_api_is_away_and_flush_asks_anew(inventories: Inventories, server: Server) -> None:
    source = cached(inventories)
    cold = inventories.listed(source)
    assert len(files(inventories)) == 1
    away = {"RESOURCE_SERVER": inventories.environ["RESOURCE_SERVER"]}
    server.stop()
    try:
        assert inventories.listed(source, **away) == cold
        done = inventories.run("ansible-inventory", "-i", source, "--list", "--flush-cache")
        assert done.returncode != 0
        assert "cannot be reached" in done.stderr
    finally:
        server.stop = lambda: None  # type: ignore[method-assign]


def test_a_changed_site_is_seen_after_a_flush(inventories: Inventories, shell: Shell) -> None:
    source = cached(inventories)
    inventories.listed(source)
    shell.ok("cordon", "floor-1-1-1-rack-1-1-server1", "--cluster", "tokyo1")
    assert "resource_cordoned" not in inventories.hosts(source)[SERVER1]
    assert inventories.hosts(source, "--flush-cache")[SERVER1]["resource_cordoned"] is True
    assert inventories.hosts(source)[SERVER1]["resource_cordoned"] is True, "the flush has stored what it asked"


def test_a_cache_that_is_old_is_used_again_when_nothing_changed(inventories: Inventories, shell: Shell) -> None:
    source = cached(inventories, cache_timeout=60)
    first = inventories.listed(source)
    (path,) = files(inventories)
    told = path.read_text().replace('"resource_state":"Up"', '"resource_state":"Marked"')
    path.write_text(told)
    os.utime(path, (1, 1))
    again = inventories.hosts(source)
    assert again[SERVER1]["resource_state"] == "Marked", "the answer was that nothing changed"
    assert path.stat().st_mtime > 1, "it is fresh again"
    os.utime(path, (1, 1))
    shell.ok("cordon", "floor-1-1-1-rack-1-1-server1", "--cluster", "tokyo1")
    changed = inventories.hosts(source)
    assert changed[SERVER1]["resource_state"] == "Up"
    assert changed[SERVER1]["resource_cordoned"] is True
    assert changed.keys() == first["_meta"]["hostvars"].keys()


def test_only_the_variables_that_were_named(inventories: Inventories) -> None:
    named = inventories.hosts(inventories.source(variables=["resource_rack", "resource_node"]))
    assert named[SERVER1] == {"resource_rack": "floor-1-1-1-rack-1-1"}
    assert named["web-0.default.kanto"] == {"resource_node": "floor-1-1-1-rack-1-1-server1"}


def test_two_sources_of_one_site_name_each_host_once(inventories: Inventories) -> None:
    one, two = inventories.source("one.yml"), inventories.source("two.yml", hosts=["nodes"])
    told = inventories.listed(one, "-i", str(two))
    assert told == inventories.listed(one)


def test_each_source_has_its_own_cache(inventories: Inventories, shell: Shell) -> None:
    other = inventories.folder / "other.token"
    shell.ok("token", "create", "other", "--role", "viewer", "--to-file", str(other))
    inventories.listed(cached(inventories))
    inventories.listed(cached(inventories, hosts=["nodes"]))
    inventories.listed(cached(inventories, node_names="short"))
    secret = other.read_text().strip()
    inventories.listed(cached(inventories), RESOURCE_TOKEN=secret)
    assert len(files(inventories)) == 4
    assert all(secret not in path.read_text() for path in files(inventories))


def test_a_damaged_cache_is_no_error(inventories: Inventories) -> None:
    source = cached(inventories)
    whole = inventories.listed(source)
    (path,) = files(inventories)
    path.write_text(path.read_text()[:1000])
    assert inventories.listed(source) == whole
    assert json.loads(path.read_text())["content"]["hosts"].keys() == whole["_meta"]["hostvars"].keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "colour: unknown option"),
        ({"variables": ["resource_rock"]}, "variables: resource_rock: no such variable"),
        ({"node_names": "long"}, "node_names"),
        ({"hosts": ["racks"]}, "racks"),
        ({"labels": ["a b"]}, "labels: not a label filter"),
        ({"fields": ["Node:colour=red"]}, "Node has no field 'colour'"),
        ({"fields": ["Node:spec.colour=red"]}, "spec of Node has no field 'colour'"),
        ({"fields": ["Token:name=x"]}, "Token is not among the kinds"),
        ({"project": "NOT/A NAME"}, "query.project"),
        ({"api_url": "ftp://x"}, "ftp://x"),
        ({"api_token_file": "/nonexistent/token"}, "/nonexistent/token"),
        ({"api_token": "wrong"}, "check api_token"),
        ({"api_url": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_bad_input_is_one_message_and_a_failed_run(
    inventories: Inventories, options: dict[str, Any], message: str
) -> None:
    assert message in inventories.refused(inventories.source(**options))


def test_no_token_at_all_is_told(inventories: Inventories) -> None:
    inventories.environ.pop("RESOURCE_TOKEN_FILE")
    assert "no token: give api_token" in inventories.refused(inventories.source())


def test_where_a_bad_source_is_no_failure_ansible_warns_and_goes_on(inventories: Inventories) -> None:
    source = inventories.source(api_url="http://127.0.0.1:9")
    words = ("ansible-inventory", "-i", source, "--list")
    done = inventories.run(*words, ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="false")
    assert done.returncode == 0
    assert "cannot be reached" in done.stderr


def test_a_play_does_not_run_on_an_empty_inventory(inventories: Inventories) -> None:
    source = inventories.source(api_url="http://127.0.0.1:9")
    done = inventories.run("ansible-playbook", "-i", source, "playbooks/rolling.yml", "-e", "rolling_command=true")
    assert done.returncode != 0
    assert "cannot be reached" in done.stderr
