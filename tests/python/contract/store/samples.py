"""Small documents for the store's tests."""

from __future__ import annotations

from typing import Any

from controller.model import document, registry
from controller.model.registry import AnyResource, Key
from controller.store import resources
from controller.store.database import Database


def make(kind: str, name: str, spec: dict[str, Any] | None = None, **envelope: Any) -> AnyResource:
    """A resource as a user would write it; without ``spec``, the kind's example."""
    given = dict(registry.get(kind).example) | {"name": name} | envelope
    return document.parse(given if spec is None else given | {"spec": spec})


def store(db: Database, *given: AnyResource) -> list[AnyResource]:
    """Insert in one transaction."""
    return db.write(lambda tx: resources.insert(tx, given))


def key(kind: str, *names: str, project: str = "default") -> Key:
    return registry.get(kind).key(*names, project=project)


def racks(*names: str, **envelope: Any) -> list[AnyResource]:
    """Racks of datacenter tokyo on its one floor."""
    return [make("Rack", name, {"floor": "floor-1-1-1"}, **envelope) for name in names]


def site() -> list[AnyResource]:
    """Datacenter tokyo with one floor, region kanto and cluster tokyo1."""
    return [
        make("Region", "kanto", {}),
        make("Datacenter", "tokyo", {}),
        make("Floor", "floor-1-1-1"),
        make("Cluster", "tokyo1"),
    ]
