"""The REST API alone: apply of many documents, list of many nodes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks import documents
from benchmarks.figures import Figure
from benchmarks.site import site
from controller.client import Client

PHYSICAL = 10_000
NODES = 10_000


def run(database: str) -> Iterator[Figure]:
    """Apply 10,000 physical resources in one request; list 10,000 nodes through every page."""
    with site(database) as made, made.start("resource-api").client() as client:
        client.apply(documents.site(made.cluster_endpoint))
        wanted = documents.physical_resources(PHYSICAL)
        yield Figure("apply of 10,000 physical resources", database, _timed(lambda: client.apply(wanted)), "s", aim=10)
        again = _timed(lambda: client.apply(wanted))
        yield Figure("the same again, nothing to change", database, again, "s")
        for start in range(0, NODES, 5000):
            client.apply(documents.nodes(NODES)[start : start + 5000])
        times = [_timed(lambda: _listed(client)) for _ in range(3)]
        yield Figure("list of 10,000 nodes, pages of 1,000", database, statistics.median(times), "s")
        yield Figure("resident memory of resource-api after it", database, made.memory()["resource-api"], "MiB")


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _listed(client: Client) -> None:
    count = sum(1 for _ in client.list("Node", documents.CLUSTER))
    assert count == NODES, count
