"""Agents that one cluster API holds, each with a stream and a heartbeat every 5 s.

AGENTS in the environment sets how many (5,000). Agents are real clients with TLS connections of
their own, so that on a small machine they, not the API, set the limit; the note gives their share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.service import ready, up
from benchmarks.site import Site, site

AGENTS = int(os.environ.get("AGENTS", "5000"))
AGENT_PROCESSES = 4
WINDOW_SECONDS = 60.0


def run(database: str) -> Iterator[Figure]:
    """Bring them up, then look at a quiet minute."""
    with site(database) as made:
        made.start("resource-api", "cluster-api", "resource-controller", "cluster-controller")
        with made.client() as client:
            taken = ready(made, client, AGENTS, AGENT_PROCESSES)
            yield Figure(f"{AGENTS} agents: started to all Up", database, taken, "s")
            simulators = [name for name in made.processes if name.startswith("simulate")]
            before, others = made.cpu_seconds("cluster-api"), _cpu(made, simulators)
            lowest = AGENTS
            begin = time.perf_counter()
            while time.perf_counter() - begin < WINDOW_SECONDS:
                time.sleep(5)
                lowest = min(lowest, up(client))
            window = time.perf_counter() - begin
            cores = (made.cpu_seconds("cluster-api") - before) / window
            share = (_cpu(made, simulators) - others) / window
            yield Figure(
                "agents held through a minute, one heartbeat per 5 s", database, lowest, "agents", 5000, more=True
            )
            yield Figure(
                "cluster-api while holding them", database, cores, "cores", 1, note=f"agents: {share:.2f} cores"
            )
            yield Figure("resident memory of cluster-api", database, made.memory()["cluster-api"], "MiB")


def _cpu(made: Site, names: list[str]) -> float:
    return sum(made.cpu_seconds(name) for name in names)
