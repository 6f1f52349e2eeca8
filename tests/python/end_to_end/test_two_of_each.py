"""Two of each API and controller on one PostgreSQL; the masters stopped past their lease and woken again (H2)."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from controller.store.database import Tier
from tests.python.databases import PostgresqlServer
from tests.python.end_to_end.conftest import urls
from tests.python.end_to_end.plant import Document, Plant, plant

pytestmark = [pytest.mark.postgresql]
KINDS = ("resource-controller", "cluster-controller")


@pytest.fixture(scope="module")
def pair(postgresql_server: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    made = urls(tmp_path_factory.mktemp("pair"), postgresql_server)
    with plant(made[Tier.ROOT], made[Tier.CLUSTER], agents=2, controllers=2, apis=2) as running:
        yield running


def masters(site: Plant) -> dict[str, tuple[str, int]]:
    """Name and term of the master of each kind, as the processes say."""
    rows = site.rows("ServiceProcess")
    found: dict[str, tuple[str, int]] = {}
    for row in rows:
        kind, term = row["spec"]["process_kind"], row["spec"]["term"]
        if row["spec"]["role"] == "Master" and term > found.get(kind, ("", 0))[1]:
            found[kind] = (row["name"].rpartition(".")[2], term)
    return found


def _term(site: Plant, kind: str) -> int:
    return masters(site).get(kind, ("", 0))[1]


def by_name(site: Plant) -> dict[str, Document]:
    """Rows of all processes; the clusters' carry the cluster's name in the root."""
    return {row["name"].rpartition(".")[2]: row for row in site.rows("ServiceProcess")}


def roles(site: Plant, kind: str) -> list[str]:
    """Roles of the two processes of a kind, sorted."""
    rows = by_name(site)
    return sorted(rows[f"{kind}-{number}"]["spec"]["role"] for number in range(2))


@pytest.mark.design("H2", "F4", "A9")
def test_one_master_of_each_kind(pair: Plant) -> None:
    pair.until(lambda: set(masters(pair)) == set(KINDS), what="a master of each kind")
    pair.put_service(3)
    pair.until(lambda: pair.settled(3))
    pair.until(lambda: set(by_name(pair)) == set(pair.processes), what="a row of each process, slaves included")
    pair.until(lambda: all(roles(pair, kind) == ["Master", "Slave"] for kind in KINDS), what="one master of each kind")
    rows = by_name(pair)
    assert all(rows[name]["spec"]["heartbeat"] for name in rows if name.startswith("resource-"))


@pytest.mark.design("H2")
def test_masters_stopped_past_their_lease_and_woken_again(pair: Plant) -> None:
    pair.put_service(3)
    pair.until(lambda: pair.settled(3))
    pair.until(lambda: set(masters(pair)) == set(KINDS), what="a master of each kind")
    before = masters(pair)
    for name, _ in before.values():
        pair.kill(name, signal.SIGSTOP)
    pair.put_service(5)
    pair.until(lambda: all(_term(pair, kind) > before[kind][1] for kind in KINDS), what="new terms")
    pair.until(lambda: pair.settled(5), deadline=90)
    pair.until(lambda: all(_term(pair, kind) > before[kind][1] for kind in KINDS), what="masters of new terms")
    meanwhile = {kind: _term(pair, kind) for kind in KINDS}
    assert all(_role(pair, name) != ("Master", meanwhile[kind]) for kind, (name, _) in before.items())
    for name, _ in before.values():
        pair.kill(name, signal.SIGCONT)
    pair.put_service(2)
    pair.until(lambda: pair.settled(2), deadline=90)
    # A woken master may be elected again, where the new one is too slow for its lease: in a later term, as any other.
    pair.until(lambda: all(_term(pair, kind) >= meanwhile[kind] for kind in KINDS), what="masters of these terms")
    pair.until(lambda: all(_has_left(pair, *old) for old in before.values()), what="the old masters leave their terms")
    assert pair.world.double_runs() == []
    assert pair.leaks() == []


@pytest.mark.design("H2")
def test_a_stopped_api_holds_nobody_up(pair: Plant) -> None:
    pair.put_service(2)
    pair.until(lambda: pair.settled(2))
    pair.kill("resource-api-1", signal.SIGSTOP)
    try:
        pair.put_service(3)
        pair.until(lambda: pair.settled(3), deadline=90)
    finally:
        pair.kill("resource-api-1", signal.SIGCONT)


def _has_left(site: Plant, name: str, term: int) -> bool:
    role, newest = _role(site, name)
    return role == "Slave" or newest > term


def _role(site: Plant, name: str) -> tuple[str, int]:
    spec = by_name(site)[name]["spec"]
    return spec["role"], spec["term"]
