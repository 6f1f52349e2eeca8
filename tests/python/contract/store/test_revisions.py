"""Revisions (D3): kept, found, pruned, and gone with their resource."""

from __future__ import annotations

import pytest

from controller.errors import Conflict, NotFound
from controller.model.registry import AnyResource, key_of
from controller.store import resources, revisions
from controller.store.database import Database
from tests.python.contract.store.samples import make, store

pytestmark = pytest.mark.design("D3")


def with_revisions(db: Database, number: int) -> AnyResource:
    (service,) = store(db, make("RegionService", "web"))
    for revision in range(1, number + 1):
        spec = service.spec.model_copy(update={"replicas": revision})
        numbered = service.model_copy(update={"spec": spec, "revision": revision})
        db.write(lambda tx, numbered=numbered: revisions.add(tx, numbered))  # type: ignore[misc]
    return service


def test_a_revision_is_found_by_number(database: Database) -> None:
    service = with_revisions(database, 3)
    assert database.read(lambda tx: revisions.get(tx, service.uid, 2))["replicas"] == 2
    assert database.read(lambda tx: revisions.list(tx, service.uid)) == [1, 2, 3]
    with pytest.raises(NotFound, match="revision 4 is not kept; kept: 1, 2, 3"):
        database.read(lambda tx: revisions.get(tx, service.uid, 4))


def test_a_revision_never_changes(database: Database) -> None:
    service = with_revisions(database, 1)
    with pytest.raises(Conflict):
        database.write(lambda tx: revisions.add(tx, service))
    assert database.read(lambda tx: revisions.get(tx, service.uid, 1))["replicas"] == 1


@pytest.mark.parametrize(
    ("keep", "protected", "left"),
    [(2, {5}, [3, 4, 5]), (0, {5}, [5]), (0, {2, 5}, [2, 5]), (10, set(), [1, 2, 3, 4, 5]), (1, {1, 5}, [1, 4, 5])],
)
def test_pruning_keeps_the_newest_and_the_protected(
    database: Database, keep: int, protected: set[int], left: list[int]
) -> None:
    service = with_revisions(database, 5)
    database.write(lambda tx: revisions.prune(tx, service.uid, keep, protected))
    assert database.read(lambda tx: revisions.list(tx, service.uid)) == left


def test_revisions_go_with_their_resource(database: Database) -> None:
    service = with_revisions(database, 2)
    database.write(lambda tx: resources.delete(tx, [key_of(service)]))
    assert database.read(lambda tx: revisions.list(tx, service.uid)) == []
