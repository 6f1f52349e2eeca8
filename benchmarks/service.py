"""A RegionService of 1,000 Computes on 100 simulated agents: from PUT to all Active; memory of all parts."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks import documents
from benchmarks.figures import Figure
from benchmarks.site import Site, site
from benchmarks.waiting import until
from controller.client import Client
from controller.model import registry

COMPUTES = 1000
AGENTS = 100
AGENT_PROCESSES = 2
AIMS = {"sqlite": 10.0, "postgresql": 15.0}
_KEY = registry.get("RegionService").key(documents.REGION, "web")


def run(database: str) -> Iterator[Figure]:
    """Create, scale down to a tenth, delete."""
    with site(database) as made:
        made.start("resource-api", "cluster-api", "resource-controller", "cluster-controller")
        with made.client() as client:
            ready(made, client, AGENTS, AGENT_PROCESSES)
            before = {name: made.cpu_seconds(name) for name in made.processes}
            begin = time.perf_counter()
            client.put(documents.service(COMPUTES))
            until(lambda: _active(client, COMPUTES), 300, f"{COMPUTES} Computes are Active")
            taken = time.perf_counter() - begin
            note = f"{AGENTS} agents in {AGENT_PROCESSES} processes"
            yield Figure(
                "RegionService of 1,000 Computes: PUT to all Active", database, taken, "s", AIMS[database], note=note
            )
            for name, mib in made.memory().items():
                cpu = made.cpu_seconds(name) - before[name]
                note = f"{cpu:.1f} s of cpu for the 1,000"
                yield Figure(f"resident memory with 1,000 Computes: {name}", database, mib, "MiB", note=note)
            begin = time.perf_counter()
            client.act(_KEY, "scale", {"replicas": COMPUTES // 10})
            until(lambda: _active(client, COMPUTES // 10), 300, "900 Computes are gone")
            yield Figure("scaled to 100: 900 machines gone", database, time.perf_counter() - begin, "s")
            begin = time.perf_counter()
            client.delete(_KEY)
            until(lambda: not list(client.list("RegionService")), 300, "the service is gone")
            yield Figure("deleted: everything gone", database, time.perf_counter() - begin, "s")


def ready(made: Site, client: Client, agents: int, processes: int) -> float:
    """Apply the site with its nodes, start the agents; seconds until every node is Up."""
    client.apply([*documents.site(made.cluster_endpoint), *documents.nodes(agents)])
    made.simulate(agents, processes)
    return until(lambda: up(client) == agents, 300, f"{agents} nodes are Up", pause=0.5)


def up(client: Client) -> int:
    """How many nodes are Up."""
    return sum(1 for _ in client.list("Node", documents.CLUSTER, fields={"state": "Up"}))


def _active(client: Client, count: int) -> bool:
    service = client.get(_KEY)
    if service["status"] != "Active" or service["spec"]["replicas"] != count:
        return False
    computes = list(client.list("Compute", documents.REGION))
    return len(computes) == count and all(compute["status"] == "Active" for compute in computes)
