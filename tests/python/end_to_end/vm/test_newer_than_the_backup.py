"""A cluster database restored from a backup older than a live migration, with real virtual machines.

The backup has the machine on the node that it left. It must neither be started there nor be removed
where it runs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from controller.model.assignment import ASSIGNMENT
from controller.model.node import NODE
from controller.store import resources, schema
from controller.store.database import Tier, Transaction
from tests.python.end_to_end.vm import restored
from tests.python.end_to_end.vm.site import Site, compute_key
from tests.python.end_to_end.vm.watcher import watching

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]


@pytest.mark.design("G1", "E1", "D5")
def test_a_machine_that_moved_after_the_backup_keeps_running_where_it_is(site: Site, tmp_path: Path) -> None:
    site.have(2)
    boots = site.boots()
    restored.back_up(site, Tier.CLUSTER, tmp_path / "backup")
    target = site.another_node("web-0")
    site.act(compute_key("web-0"), "migrate", {"node": target.name})
    site.until(lambda: "" if site.node_of("web-0") == target else "web-0 has not arrived")
    site.until_settled(2)
    with watching(site.lab):
        restored.restore(site, Tier.CLUSTER, tmp_path / "backup")
        site.until(lambda: _waited_for(site, target.name))
        site.until_settled(2)
    assert site.node_of("web-0") == target
    assert site.boots() == boots, "no machine booted again"
    assert [path for node in site.lab.nodes for path in (node.state / "quarantine").glob("*")] == []


def _waited_for(site: Site, target: str) -> str:
    """What the restored cluster still waits for; empty when it has adopted web-0 on the target."""

    def read(tx: Transaction) -> str:
        epoch = schema.epoch(tx.connection)
        nodes = resources.list_all(tx, NODE)
        if away := [node.name for node in nodes if node.facts.hold or node.facts.epoch != epoch]:
            return f"held: {away}"
        found = [each for each in resources.list_all(tx, ASSIGNMENT) if each.spec.resource.endswith("/web-0")]
        confirmed = [each for each in found if each.spec.node == target and each.status == "Active"]
        return "" if len(confirmed) == len(found) == 1 else f"web-0 is assigned as {found}"

    database = restored.database(site, Tier.CLUSTER)
    try:
        return database.read(read)
    finally:
        database.close()
