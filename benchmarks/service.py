"""A RegionService of 1,000 Computes on 100 simulated agents: from PUT to all Active; memory of all parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
            create = _timed(made, lambda: client.put(documents.service(COMPUTES)), lambda: _active(client, COMPUTES))
            note = f"{AGENTS} agents in {AGENT_PROCESSES} processes; {create.note}"
            name = "RegionService of 1,000 Computes: PUT to all Active"
            yield Figure(name, database, create.seconds, "s", AIMS[database], note=note)
            for name, mib in made.memory().items():
                note = f"{create.cpu[name]:.1f} s of cpu for the 1,000"
                yield Figure(f"resident memory with 1,000 Computes: {name}", database, mib, "MiB", note=note)
            fewer = {"replicas": COMPUTES // 10}
            scale = _timed(made, lambda: client.act(_KEY, "scale", fewer), lambda: _active(client, COMPUTES // 10))
            yield Figure("scaled to 100: 900 machines gone", database, scale.seconds, "s", note=scale.note)
            gone = _timed(made, lambda: client.delete(_KEY), lambda: not list(client.list("RegionService")))
            yield Figure("deleted: everything gone", database, gone.seconds, "s", note=gone.note)


@dataclass(frozen=True)
class _Run:
    seconds: float
    cpu: dict[str, float]

    @property
    def note(self) -> str:
        """CPU time of all processes together: what the figure would be on enough quiet cores is below it."""
        return f"{sum(self.cpu.values()):.1f} s of cpu in all"


def _timed(made: Site, begin: Callable[[], object], is_done: Callable[[], bool]) -> _Run:
    before = {name: made.cpu_seconds(name) for name in made.processes}
    start = time.perf_counter()
    begin()
    until(is_done, 300, "all is as asked")
    seconds = time.perf_counter() - start
    return _Run(seconds, {name: made.cpu_seconds(name) - used for name, used in before.items()})


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
