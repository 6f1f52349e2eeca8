"""How far moves, scaling and deletions are, from what the resources show."""

from __future__ import annotations

from typing import Any

import pytest

from controller.cli.views import progress_lines
from controller.cli.waiting import Progress


def compute(**observed: Any) -> dict[str, Any]:
    return {"name": "web-0", "spec": {"migrations": 2}, "observed": {"node": "a", "migrations": 2, **observed}}


OLD = {"at": "2026-01-01T00:00:00Z", "reason": "no node has room"}
NEW = {"at": "2026-01-02T00:00:00Z", "reason": "the target refused it"}


@pytest.mark.parametrize(
    ("item", "progress"),
    [
        (compute(migrations=1), Progress("on a, waits for the cluster")),
        (compute(migrating_to="b"), Progress("moves from a to b")),
        (compute(node="b"), Progress("on b", done=True)),
        (compute(migration_failed=NEW), Progress("stays on a: the target refused it", failed=True)),
        # The failure of an earlier migration is no reason for this one.
        (compute(migration_failed=OLD), Progress("stays on a", failed=True)),
        (None, Progress("the Compute was deleted", failed=True)),
    ],
)
def test_a_migration(item: dict[str, Any] | None, progress: Progress) -> None:
    assert progress_lines.migration(compute(migration_failed=OLD))(item) == progress


@pytest.mark.parametrize(
    ("replicas", "made", "ready", "status", "progress"),
    [
        (3, 2, 2, "Active", Progress("2 of 3 ready")),
        (3, 3, 2, "Updating", Progress("2 of 3 ready")),
        (3, 3, 3, "Updating", Progress("3 of 3 ready")),
        (3, 3, 3, "Active", Progress("3 of 3 ready", done=True)),
        (2, 3, 3, "Active", Progress("3 of 2 ready, 1 to be deleted")),
        (9, 3, 3, "Error", Progress("Error: no node has room", failed=True)),
    ],
)
def test_a_scaling(replicas: int, made: int, ready: int, status: str, progress: Progress) -> None:
    item = {
        "spec": {"replicas": replicas},
        "observed": {"replicas": made, "ready": ready},
        "status": status,
        "status_reason": "no node has room",
    }
    assert progress_lines.scaling(item) == progress


def test_a_deletion() -> None:
    assert progress_lines.deletion(None) == Progress("deleted", done=True)
    assert progress_lines.deletion({"status": "Deleting", "status_reason": ""}) == Progress("Deleting")
    assert progress_lines.deletion({"status": "Active"}) == Progress("deleted", done=True), (
        "created again under the same name"
    )
    waits = {"status": "Deleting", "status_reason": "its node is Down"}
    assert progress_lines.deletion(waits) == Progress("Deleting: its node is Down")


def test_a_drain_is_done_only_when_the_cluster_said_so() -> None:
    blocked = {"resource": "default/kanto/web-0", "reason": "no node has room"}
    told = {
        "observed": {
            "computes": 1,
            "drain": {"remaining": 1, "moving": {"default/kanto/web-1": "b"}, "blocked_by": [blocked]},
        }
    }
    assert progress_lines.drain(told) == Progress(
        "1 Compute left; default/kanto/web-1 moves to b; blocked: default/kanto/web-0: no node has room"
    )
    assert progress_lines.drain({"observed": {"computes": 0}}) == Progress("waits for the cluster")
    assert progress_lines.drain({"observed": {"computes": 0, "drain": {"remaining": 0}}}).done
