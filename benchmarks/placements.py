"""Placements through the real cluster controller: new Computes in its database to written assignments.

5,000 nodes in 100 racks, 4 power zones and 8 network zones; 10,000 Computes, mostly 1,000 services of
10, of three flavors. cluster-api and cluster-controller run as processes of their own; the Computes
come in one transaction, as the root's sync writes them, and the clock runs from that commit to the
commit of the last assignment. Nodes have no agents here: they stay Up because the controller is set to
be patient, so that nothing but placement is at work.

CASES in the environment takes some of the cases only (``CASES=plain,filter``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from sqlalchemy import text

from benchmarks import documents
from benchmarks.figures import Figure
from benchmarks.site import Site, site
from benchmarks.waiting import until
from controller.cluster.root_link import apply_desired
from controller.model.compute import Compute, ComputeSpec, Interface
from controller.model.flavor import Sizes
from controller.model.image import ImageSpec
from controller.model.node import Capacity, Node, NodeSpec
from controller.model.schedule_policy import SchedulePolicy
from controller.store import capacity, processes
from controller.store.database import Database, Tier, Transaction

NODES, RACKS, POWERS, NETWORKS, THIRDS = 5000, 100, 4, 8, 3
_SIZE = Capacity(vcpus=32, memory_mib=131072, disk_gib=2000, disk_iops=50000, disk_mibps=2000, network_mbps=25000)
_FLAVORS = (
    Sizes(vcpus=1, memory_mib=1024, disk_gib=10),
    Sizes(vcpus=2, memory_mib=4096, disk_gib=20),
    Sizes(vcpus=4, memory_mib=8192, disk_gib=40, disk_iops=500, network_mbps=500),
)
_PATIENCE = 3600.0
_REST_SECONDS = 5.0


@dataclass(frozen=True)
class Case:
    """One kind of service, beside the case of Kubernetes' scheduler_perf that is nearest to it."""

    name: str
    says: str
    policy: SchedulePolicy
    services: int
    replicas: int
    floor: int
    """What scheduler_perf demands of the Kubernetes scheduler for 5,000 nodes, in pods per second."""


def _rules(*rules: tuple[str, bool]) -> SchedulePolicy:
    """Anti-affinity over each (axis, hard)."""
    return SchedulePolicy.model_validate(
        {"rules": [{"axis": axis, "mode": "AntiAffinity", "hard": hard} for axis, hard in rules]}
    )


_FILTER = SchedulePolicy(node_label_filters={"disk": "ssd"})
CASES = (
    Case("plain", "no rules", SchedulePolicy(), 1000, 10, 680),
    Case("filter", "node label filter, half of the nodes", _FILTER, 1000, 10, 220),
    Case("hard-host", "hard anti-affinity per node", _rules(("node", True)), 1000, 10, 60),
    Case("hard-host-one", "the same, one service of 2,000", _rules(("node", True)), 1, 2000, 60),
    Case("soft-host", "soft anti-affinity per node and rack", _rules(("node", False), ("rack", False)), 1000, 10, 90),
    Case("soft-host-one", "the same, one service of 5,000", _rules(("node", False), ("rack", False)), 1, 5000, 90),
    Case("hard-zones", "hard spread over 3 zones, services of 3", _rules(("third", True)), 3333, 3, 460),
    Case("soft-zones", "soft spread over 3 zones", _rules(("third", False)), 1000, 10, 340),
)
AIM = 2000
"""Placements per second on PostgreSQL."""


def run(database: str) -> Iterator[Figure]:
    """Every case on a database and processes of its own."""
    chosen = os.environ.get("CASES")
    for case in CASES:
        if not chosen or case.name in chosen.split(","):
            yield _measured(case, database)


def _measured(case: Case, database: str) -> Figure:
    with site(database) as made:
        db = Database(made.urls["cluster"], tier=Tier.CLUSTER, cluster=documents.CLUSTER)
        try:
            db.write(_make_nodes)
            made.start("cluster-api")
            made.start("cluster-controller", unknown_after_seconds=_PATIENCE, down_after_seconds=2 * _PATIENCE)
            _settle(made, db)
            return _placed(made, db, case, database)
        finally:
            db.close()


def _placed(made: Site, db: Database, case: Case, database: str) -> Figure:
    owners = _owner_states(case)
    count = case.services * case.replicas
    before, server_before = _cpu(made), _server_cpu(db)
    db.write(lambda tx: apply_desired.apply(tx, 1, owners))
    inserting = _server_cpu(db) - server_before
    begin = time.perf_counter()
    while (done := db.read(_placed_now)) < count:
        if time.perf_counter() - begin > 300 or made.processes["cluster-controller"].poll() is not None:
            log = (made.folder / "cluster-controller.log").read_text()[-1000:]
            raise RuntimeError(f"{case.name}: {done} of {count} are placed: {log}")
        time.sleep(0.05)
    seconds = time.perf_counter() - begin
    after, server = _cpu(made), _server_cpu(db) - server_before - inserting
    assert db.read(_assigned) == count
    used = {name: 1e6 * (after[name] - before[name]) / count for name in after}
    notes = [f"cpu each: controller {used['cluster-controller']:.0f} us"]
    if database == "postgresql":
        notes[0] += f" + server {1e6 * server / count:.0f} us"
    notes[0] += f", cluster-api beside it {used['cluster-api']:.0f} us"
    notes.append(f"Kubernetes' floor {case.floor}/s: {count / seconds / case.floor:.1f} times")
    aim = AIM if database == "postgresql" else None
    name = f"placements: {case.says} ({count})"
    return Figure(name, database, count / seconds, "/s", aim, more=True, note="; ".join(notes))


def _make_nodes(tx: Transaction) -> None:
    """Nodes as they are when their agents have registered them."""
    names = [f"node-{number}" for number in range(NODES)]
    made = [_node(number, name) for number, name in enumerate(names)]
    apply_desired.apply(
        tx, 1, [apply_desired.OwnerState(f"Node {documents.CLUSTER}/{node.name}", "d", [node]) for node in made]
    )
    _greet(tx, names)
    processes.beat(tx, dict.fromkeys(names, (tx.now, True, "")))


def _node(number: int, name: str) -> Node:
    rack = number % RACKS
    zones = {
        "datacenter": documents.DATACENTER,
        "power": f"power-{rack % POWERS}",
        "network": f"network-{rack % NETWORKS}",
        "rack": f"rack-{rack}",
    }
    return Node(
        name=name,
        cluster=documents.CLUSTER,
        labels={"disk": "ssd" if number % 2 else "hdd", "third": f"third-{number % THIRDS}"},
        spec=NodeSpec(providers=("memory",)),
        observed={"zones": zones},
    )


def _greet(tx: Transaction, names: list[str]) -> None:
    from controller.cluster.agents import registration

    facts = {"capacity": _SIZE.model_dump(), "providers": ["memory"], "numa": [], "version": "1"}
    registration.write(tx, documents.CLUSTER, dict.fromkeys(names, facts))
    assert len(capacity.usage(tx)) == len(names)


def _owner_states(case: Case) -> list[apply_desired.OwnerState]:
    number = iter(range(1 << 24))
    owners = []
    for service in range(case.services):
        name = f"service-{service}"
        members = [_compute(case, name, index, next(number)) for index in range(case.replicas)]
        owner = f"RegionService default/{documents.REGION}/{name}"
        owners.append(apply_desired.OwnerState(owner, "d", members))
    return owners


def _compute(case: Case, service: str, index: int, number: int) -> Compute:
    address = IPv4Address("10.16.0.2") + number
    mac = "52:54:" + ":".join(f"{byte:02x}" for byte in address.packed)
    return Compute(
        name=f"{service}-{index}",
        region=documents.REGION,
        uid=f"{number:032x}",
        spec=ComputeSpec(
            service=service,
            index=index,
            host_name=f"{service}-{index}.default.{documents.REGION}",
            cluster=documents.CLUSTER,
            provider="memory",
            sizes=_FLAVORS[int(service.rpartition("-")[2]) % len(_FLAVORS)],
            image=ImageSpec(url="file:///srv/guest.qcow2", checksum=documents.IMAGE_CHECKSUM),
            interfaces=(
                Interface(
                    network="service", address=address, prefix_length=12, gateway=IPv4Address("10.16.0.1"), mac=mac
                ),
            ),
            ssh_keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0bench0bench0bench0bench0bench0bench0ben ops",),
            schedule_policy=case.policy,
        ),
    )


def _placed_now(tx: Transaction) -> int:
    """Takings of capacity, which commit together with their assignments and are quicker to count."""
    found: int = tx.connection.execute(text("SELECT count(*) FROM capacity_claim")).scalar_one()
    return found


def _assigned(tx: Transaction) -> int:
    statement = text("SELECT count(*) FROM resource WHERE kind = 'Assignment' AND status = 'Creating:Scheduled'")
    found: int = tx.connection.execute(statement).scalar_one()
    return found


def _settle(made: Site, db: Database) -> None:
    """Wait until the controller is master, shows every node as Up and has come to rest."""
    statement = text("SELECT count(*) FROM resource WHERE kind = 'Node' AND state = 'Up'")
    until(lambda: db.read(lambda tx: tx.connection.execute(statement).scalar_one()) == NODES, 60, "all nodes are Up")
    time.sleep(_REST_SECONDS)


def _cpu(made: Site) -> dict[str, float]:
    return {name: made.cpu_seconds(name) for name in made.processes}


def _server_cpu(db: Database) -> float:
    """CPU time of the server's processes that serve our sessions; 0 on SQLite."""
    if db.dialect != "postgresql":
        return 0.0
    query = text("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
    pids: Callable[[Transaction], list[int]] = lambda tx: list(tx.connection.execute(query).scalars())  # noqa: E731
    total = 0.0
    for pid in db.read(pids):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total
