"""The identity of a resource by name, for models and clients alike: no models, no pydantic."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResourceName:
    """Kind, project (empty where the kind has none) and names of a resource."""

    kind: str
    project: str
    names: tuple[str, ...]
    """Parents' names outermost first, then the resource's own."""

    @property
    def path(self) -> str:
        """The key as stored: ``project/`` (only for kinds of a project) and the names, ``/`` between."""
        return "/".join((self.project, *self.names) if self.project else self.names)

    def __str__(self) -> str:
        return f"{self.kind} {self.path}"
