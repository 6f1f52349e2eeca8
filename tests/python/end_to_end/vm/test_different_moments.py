"""Root and cluster are restored from backups of different moments, with the real root and real virtual machines.

::

    older backup --- web-0 moves, web-1 is created --- newer backup --- web-2 is created --- both databases are lost

What either side knows and the root asks for keeps running where it is. What no root asks for is stopped, and its
disks are kept aside.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from controller.model.node import NODE
from controller.store import resources, schema
from controller.store.database import Tier, Transaction
from tests.python.end_to_end.vm import restored
from tests.python.end_to_end.vm.site import Site, compute_key
from tests.python.end_to_end.vm.watcher import watching

pytestmark = [
    pytest.mark.vm,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]

OTHER = {Tier.ROOT: Tier.CLUSTER, Tier.CLUSTER: Tier.ROOT}


@pytest.mark.design("G1", "E1", "D5")
@pytest.mark.parametrize(
    ("older", "asked_for"), [(Tier.CLUSTER, 2), (Tier.ROOT, 1)], ids=["cluster-is-older", "root-is-older"]
)
def test_both_tiers_restored_from_different_moments(site: Site, tmp_path: Path, older: Tier, asked_for: int) -> None:
    """``asked_for``: how many machines the root's backup has."""
    site.have(1)
    restored.back_up(site, older, tmp_path / older.value)
    target = site.another_node("web-0")
    site.act(compute_key("web-0"), "migrate", {"node": target.name})
    site.until(lambda: "" if site.node_of("web-0") == target else "web-0 has not arrived")
    site.scale(2)
    site.until_settled(2)
    newer = OTHER[older]
    restored.back_up(site, newer, tmp_path / newer.value)
    site.scale(3)
    site.until_settled(3)
    boots = site.boots()
    uids = {row["name"]: row["uid"] for row in site.computes()}
    places = {name: site.node_of(name) for name in uids}
    before = kept_aside(site)

    with watching(site.lab):
        restored.restore(site, newer, tmp_path / newer.value)
        restored.restore(site, older, tmp_path / older.value)
        site.until(lambda: held(site))
        site.until_settled(asked_for)
    kept = sorted(uids)[:asked_for]
    assert {name: site.node_of(name) for name in site.names()} == {name: places[name] for name in kept}
    assert site.boots() == {name: boots[name] for name in kept}, "nothing was started again"
    lost = {uid for name, uid in uids.items() if name not in kept}
    assert {uid for uid in uids.values() if any(uid in name for name in kept_aside(site) - before)} == lost

    again = site.another_node("web-0")
    site.act(compute_key("web-0"), "migrate", {"node": again.name})
    site.until(lambda: "" if site.node_of("web-0") == again else "web-0 does not move any more")
    site.until_settled(asked_for)
    assert site.boots() == {name: boots[name] for name in kept}


def kept_aside(site: Site) -> set[str]:
    """Return what lies in the nodes' quarantine."""
    return {path.name for node in site.lab.nodes for path in (node.state / "quarantine").glob("*")}


def held(site: Site) -> str:
    """Return what the restored cluster still waits for."""

    def read(tx: Transaction) -> str:
        epoch = schema.epoch(tx.connection)
        away = [node.name for node in resources.list_all(tx, NODE) if node.facts.hold or node.facts.epoch != epoch]
        return f"held: {away}" if away else ""

    cluster = restored.database(site, Tier.CLUSTER)
    try:
        return cluster.read(read)
    finally:
        cluster.close()
