"""The facts of a kind that a client needs; no models, no pydantic."""

from __future__ import annotations

from typing import NamedTuple

from controller.resource_name import ResourceName


class ClientColumn(NamedTuple):
    """A column of the CLI's table: title and dotted path into the JSON form."""

    title: str
    path: str
    wide: bool


class ClientKind(NamedTuple):
    """One kind of resource, as a client needs it. Each field has the meaning of the same field of ``Kind``."""

    name: str
    noun: str
    segment: str
    aliases: tuple[str, ...]
    parent: str | None
    parents: tuple[str, ...]
    per_project: bool
    collection_path: str
    columns: tuple[ClientColumn, ...]

    @property
    def item_path(self) -> str:
        """``/v1/datacenters/{datacenter}/racks/{name}``"""
        return f"{self.collection_path}/{{name}}"

    def key(self, *names: str, project: str = "default") -> ResourceName:
        """Return the key of the resource with these names, the parents' first."""
        return ResourceName(self.name, project if self.per_project else "", names)
