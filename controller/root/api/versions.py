"""The versions of the REST API, oldest first: what changed with each, for clients.

The last one is current: every answer carries it in ``X-Api-Version``, and the OpenAPI document and the served page
list all of them. A version is appended when a client of the version before could not use the API correctly any more,
because something was removed, renamed or means something else. New operations, fields and parameters are no new
version. An entry is never changed once it was released.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ApiVersion:
    """One version of the API."""

    version: str
    changes: str
    """What changed since the version before, in Markdown."""


VERSIONS = (
    ApiVersion(
        "1",
        "The first version: resources of all kinds, `apply`, `delete`, `watch` and `topology`, plans with `dry_run`, "
        "actions of nodes, services and Computes.",
    ),
)
CURRENT = VERSIONS[-1].version
