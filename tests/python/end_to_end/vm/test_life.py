"""The example site with real virtual machines: what a user does in the first hour.

The tests run in this order on one site: booting machines is the slow part.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.lab import keeper, up
from controller.lab.plane import CLUSTER
from controller.lab.settings import CONTROL_PORT
from controller.model import registry
from tests.python.end_to_end.vm import hypervisors
from tests.python.end_to_end.vm.conftest import EXAMPLES
from tests.python.end_to_end.vm.site import WEB, Document, Site, compute_key, node_key
from tests.python.end_to_end.vm.watcher import watching

pytestmark = [
    pytest.mark.vm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]
GAP = 15.0
"""Seconds without an answer at most while a machine moves; below one where the CPUs are not fought for."""


@pytest.mark.design("A1", "A2", "A4", "A5", "A6", "B5", "E1", "E10", "J4", "J10", "K2")
def test_up_ends_with_three_machines_spread_over_racks_that_answer_at_announced_addresses(site: Site) -> None:
    site.until_settled(3)  # each address is announced by the node of its machine, and by no other
    computes = site.computes()
    assert len({row["observed"]["rack"] for row in computes}) == 2
    assert len({row["observed"]["node"] for row in computes}) == 3
    assert all(answer["addresses"] == [_address(site, name)] for name, answer in site.answers().items())


def test_up_again_changes_nothing(site: Site) -> None:
    boots, before = site.boots(), _facts(site)
    assert up.up(site.lab.settings, EXAMPLES).complete
    assert _facts(site) == before
    assert site.boots() == boots


@pytest.mark.design("E1", "B5")
def test_a_machine_migrates_without_a_reboot_and_keeps_its_address(site: Site) -> None:
    site.have(3)
    before, address = site.answers()["web-0"], _address(site, "web-0")
    source, target = site.node_of("web-0"), site.another_node("web-0")
    with watching(site.lab), site.pinged("web-0") as gap:
        site.act(compute_key("web-0"), "migrate", {"node": target.name})
        site.until(lambda: "" if site.node_of("web-0") == target else f"still on {source.name}")
        site.until_settled(3)  # its disks went along: nothing of it is left on the source
    after = site.answers()["web-0"]
    assert after["boot_id"] == before["boot_id"]
    assert after["uptime"] > before["uptime"]
    assert _address(site, "web-0") == address
    assert gap().replies > 10
    assert gap().longest < GAP


@pytest.mark.design("B5", "G6")
def test_machines_reach_their_own_service_and_what_groups_allow_and_nothing_else(site: Site) -> None:
    """Asked from inside the machines; one of them migrates in between."""
    site.have(2)
    router, everybody = ({"port": 80, "network": network} for network in ("10.9.0.0/16", "0.0.0.0/0"))
    first, second = (_address(site, name) for name in ("web-0", "web-1"))
    with _other_project(site) as other:
        assert site.reaches(first, second), "own service"
        assert not site.reaches(first, other)
        for outside in ("169.254.169.254", str(site.node_of("web-1").address), str(site.lab.layout.control.address)):
            assert not site.reaches(first, outside, CONTROL_PORT), outside
        site.until(lambda: "" if site.reaches(other, first) else "the example's group opens it to everybody")
        site.put_group("default", router)
        site.until(lambda: "" if not site.reaches(other, first) else "the other project still reaches it")
        assert site.reaches(first, second)
        target = site.another_node("web-0")
        with watching(site.lab):
            site.act(compute_key("web-0"), "migrate", {"node": target.name})
            site.until(lambda: "" if site.node_of("web-0") == target else "not there yet")
        site.until(lambda: "" if site.reaches(second, first) else "it does not answer there yet")
        assert not site.reaches(other, first), "nor on the new node"
        site.put_group("default", router, {"port": 80, "project": "yard"})
        site.until(lambda: "" if site.reaches(other, first) else "the rule does not count yet")
        site.put_group("default", everybody, {"protocol": "ICMP", "network": "0.0.0.0/0"})
    site.until_settled(2)


@contextmanager
def _other_project(site: Site) -> Iterator[str]:
    """A machine of another project that only the lab's router reaches; gives its address."""
    project, group = (registry.get(kind) for kind in ("Project", "SecurityGroup"))
    service = registry.get("RegionService").key("kanto", "yard", project="yard")
    site.call(lambda client: client.put({"kind": "Project", "name": "yard"}))
    site.put_group("yard", {"port": 80, "network": "10.9.0.0/16"})
    document = {**site.call(lambda client: client.get(WEB)), "name": "yard", "project": "yard"}
    document["spec"] = {**document["spec"], "replicas": 1}
    made = {name: document[name] for name in ("kind", "name", "project", "region", "spec")}
    site.call(lambda client: client.put(made))
    try:
        site.until(lambda: "" if "yard-0" in site.answers() else "the other project's machine does not answer")
        yield _address(site, "yard-0")
    finally:
        site.call(lambda client: client.delete(service))
        site.until(lambda: "" if len(site.rows("RegionService", "kanto")) == 1 else "yard is being deleted")
        site.call(lambda client: client.delete(group.key("web", project="yard")))
        site.call(lambda client: client.delete(project.key("yard")))


@pytest.mark.design("F3", "E1")
def test_a_drained_node_is_empty_and_its_machines_run_on_elsewhere(site: Site) -> None:
    site.have(3)
    boots, node = site.boots(), site.node_of("web-1")
    with watching(site.lab):
        site.act(node_key(node), "drain")
        site.until(lambda: "" if node.name not in _nodes(site) else f"not yet empty: {_nodes(site)}")
        site.until_settled(3)
    assert site.boots() == boots
    assert hypervisors.states(node) == {}
    site.act(node_key(node), "uncordon")


@pytest.mark.design("A6", "E1", "B5")
def test_daemons_of_a_node_that_die_are_started_again_and_its_machines_run_on(site: Site) -> None:
    site.have(3)
    boots, node = site.boots(), site.node_of("web-0")
    for name in ("bird", "libvirtd", "virtlogd"):
        site.until_back(name, node, site.kill(name, node))
    site.until_settled(3)
    assert site.boots() == boots


@pytest.mark.design("A2", "A5", "A6")
def test_machines_run_on_while_the_control_plane_is_away(site: Site) -> None:
    site.have(3)
    boots = site.boots()
    keeper.stop(site.lab)
    assert keeper.running(site.lab.settings.state) is None
    assert site.pid("cluster-agent", site.lab.nodes[0]) is None
    assert len(hypervisors.guests(site.lab.layout.namespaces)) == 3
    assert up.up(site.lab.settings, EXAMPLES).complete
    site.until_settled(3)
    assert site.boots() == boots


@pytest.mark.design("K2", "K3", "J4")
def test_scale_up_delete_one_by_name_scale_down(site: Site) -> None:
    site.have(3)
    boots = site.boots()
    with watching(site.lab):
        site.scale(5)
        site.until_settled(5)
        assert len({row["observed"]["node"] for row in site.computes()}) == 4
        site.call(lambda client: client.delete(compute_key("web-1")))
        site.until_settled(4)
        assert site.names() == ["web-0", "web-2", "web-3", "web-4"]
        site.scale(2)
        site.until_settled(2)
    assert site.boots() == {name: boots[name] for name in ("web-0", "web-2")}, "the tail went; nobody else noticed"


@pytest.mark.design("K5", "E1")
def test_a_stopped_machine_shuts_down_by_itself_and_comes_back_with_its_disk(site: Site) -> None:
    site.have(2)
    boots, name = site.boots(), site.names()[-1]
    node, disk = site.node_of(name), _disk(site, name)
    site.act(compute_key(name), "stop")
    site.until(lambda: "" if site.compute(name)["state"] == "Stopped" else "it runs")
    site.until(site.misplaced)  # no QEMU, tap, route or firewall element of it; its domain and disk stay
    assert "reboot: Power down" in (disk.with_name("console.log")).read_text(errors="replace"), "by ACPI, not by force"
    made = disk.stat().st_ino
    site.act(compute_key(name), "start")
    site.until_settled(2)
    assert site.node_of(name) == node
    assert disk.stat().st_ino == made
    after = site.boots()
    assert after.pop(name) != boots.pop(name)
    assert after == boots


@pytest.mark.design("D3", "K5")
def test_a_changed_template_restarts_each_machine_and_a_rollback_does_so_again(site: Site) -> None:
    site.have(2)
    first = _service(site)
    boots, places = site.boots(), _nodes(site)

    def restarted(revision: int) -> None:
        nonlocal boots
        site.until(lambda: _not_at(site, revision))
        site.until_settled(2)
        before, boots = boots, site.boots()
        assert [name for name in boots if boots[name] != before[name]] == site.names()

    with watching(site.lab):
        site.put_web(user_data="#second")
        restarted(first["revision"] + 1)
        site.act(WEB, "rollback")
        restarted(first["revision"] + 2)
    assert _service(site)["spec"] == first["spec"]
    assert _nodes(site) == places, "restarted where they were"


def _service(site: Site) -> Document:
    found = site.service()
    assert found is not None
    return found


def _not_at(site: Site, wanted: int) -> str:
    found = {row["name"]: row["revision"] for row in site.computes()}
    return "" if set(found.values()) == {wanted} else f"revisions {found}, wanted {wanted}"


def _address(site: Site, name: str) -> str:
    return str(site.compute(name)["spec"]["interfaces"][0]["address"])


def _disk(site: Site, name: str) -> Path:
    return site.node_of(name).state / "machines" / str(site.compute(name)["uid"]) / "root.qcow2"


def _nodes(site: Site) -> list[str]:
    return [row["observed"]["node"] for row in site.computes()]


def _facts(site: Site) -> list[tuple[object, ...]]:
    kinds = [site.rows("RegionService", "kanto"), site.computes(), site.rows("Node", CLUSTER)]
    return [(row["uid"], row["revision"], row["spec"]) for rows in kinds for row in rows]
