"""``ansible-inventory`` with names of one's own, and with names that clash."""

from __future__ import annotations

import pytest

from tests.python.integration.ansible_inventory.conftest import Inventories

pytestmark = pytest.mark.design("N2")
SERVER1 = "floor-1-1-1-rack-1-1-server1"


def test_hosts_and_groups_have_the_names_of_the_options(inventories: Inventories) -> None:
    source = inventories.source(
        hosts=["nodes"],
        host_name="resource_cluster ~ '-' ~ resource_name",
        group_prefix="site_",
        group_separator="__",
        cache=True,
    )
    for _ in range(2):
        told = inventories.listed(source)
        host = f"tokyo1-{SERVER1}"
        assert told["_meta"]["hostvars"][host]["resource_name"] == SERVER1
        assert host in told["site_rack__tokyo__floor_1_1_1_rack_1_1"]["hosts"]
        assert host in told["site_nodes"]["hosts"]


def test_options_that_change_the_content_have_a_cache_of_their_own(inventories: Inventories) -> None:
    assert "nodes" in inventories.listed(inventories.source(cache=True))
    assert "x_nodes" in inventories.listed(inventories.source(cache=True, group_prefix="x_"))
    environ = {"RESOURCE_INVENTORY_GROUP_PREFIX": "y_", "RESOURCE_INVENTORY_HOST_NAME": "resource_name"}
    told = inventories.listed(inventories.source(cache=True), **environ)
    assert SERVER1 in told["y_nodes"]["hosts"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("resource_kind", "host_name: the same name 'Node' for "),
        ("no_such_name", "'no_such_name' is undefined"),
        ("resource_name[", "host_name: "),
        ("''", "host_name: "),
        ("42", "42 is not a text"),
        ("'nodes'", "'nodes' is the name of a group"),
    ],
)
def test_names_that_cannot_be_used_cost_their_hosts_only(
    inventories: Inventories, expression: str, message: str
) -> None:
    whole = f"'web' if resource_kind == 'Compute' else {expression}"
    source = inventories.source(host_name=whole)
    done = inventories.run("ansible-inventory", "-i", source, "--list")
    assert done.returncode == 0, done.stderr
    assert message in " ".join(done.stderr.split()), done.stderr
    assert ('"web"' in done.stdout) == (expression != "resource_name["), "a syntax error is every host's"
    strict = inventories.source(host_name="no_such_name", strict=True)
    assert "no_such_name" in inventories.refused(strict)


def test_a_prefix_that_cannot_be_in_names_is_an_error(inventories: Inventories) -> None:
    assert "group_prefix: 'a-'" in inventories.refused(inventories.source(group_prefix="a-"))


def test_variables_have_other_names_and_expressions_the_documented_ones(inventories: Inventories) -> None:
    source = inventories.source(
        hosts=["nodes"],
        vars_prefix="site_",
        rename_variables={"resource_rack": "rack"},
        host_address=["network:none", "name"],
        keyed_groups=[{"key": "resource_cluster", "prefix": "of"}],
        compose={"where": "resource_rack"},
    )
    told = inventories.listed(source)
    host = f"{SERVER1}.tokyo1"
    found = told["_meta"]["hostvars"][host]
    assert found["rack"] == found["where"] == "floor-1-1-1-rack-1-1"
    assert found["site_resource_name"] == SERVER1
    assert found["ansible_host"] == host
    assert "resource_rack" not in found
    assert host in told["of_tokyo1"]["hosts"]
    assert "no such choice" in inventories.refused(inventories.source(host_address=["dns"]))


def test_a_new_name_that_is_a_documented_one_is_not_what_expressions_use(inventories: Inventories) -> None:
    source = inventories.source(
        hosts=["nodes"],
        rename_variables={"resource_floor": "storey", "resource_cluster": "resource_floor", "resource_rack": "bay"},
        host_name="resource_cluster ~ '-' ~ resource_name",
        host_address=["name"],
        compose={
            "on": "resource_floor",
            "storey": "'set'",
            "resource_rack": "resource_cluster",
            "bay": "no_such_name",
            "resource_floor": "no_such_name",
        },
        groups={"lowest": "resource_floor == 'floor-1-1-1'", "own": "storey == 'set' and resource_rack == 'tokyo1'"},
        keyed_groups=[{"key": "resource_floor", "prefix": "at"}, {"key": "bay", "prefix": "bay"}],
    )
    told = inventories.listed(source)
    host = f"tokyo1-{SERVER1}"
    found = told["_meta"]["hostvars"][host]
    assert (found["on"], found["resource_floor"], found["storey"]) == ("floor-1-1-1", "tokyo1", "set")
    assert (found["bay"], found["resource_rack"]) == ("floor-1-1-1-rack-1-1", "tokyo1")
    assert found["ansible_host"] == f"{SERVER1}.tokyo1"
    for group in ("lowest", "own", "at_floor_1_1_1", "bay_floor_1_1_1_rack_1_1"):
        assert host in told[group]["hosts"]
