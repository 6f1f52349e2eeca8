"""Settings of the root's two processes."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from controller.process.settings import DatabaseSettings, ElectionSettings, PeerSettings, ProcessSettings
from controller.root.api.settings import ApiSettings


class ResourceApiSettings(ProcessSettings):
    """resource-api: the REST API, and the ApiService for the root's processes."""

    database: DatabaseSettings = Field(description="The root's database.")
    api: ApiSettings = Field(default=ApiSettings(), description="The REST API.")
    election: ElectionSettings = Field(default=ElectionSettings(), description="Mastership of the root controllers.")
    bootstrap_token_file: Path | None = Field(
        default=None,
        description="Where to write the secret of a first admin token (mode 0600) when the database has no token.",
    )


class ResourceControllerSettings(ProcessSettings):
    """resource-controller: desired state to the clusters, observed state back."""

    database: DatabaseSettings = Field(description="The root's database.")
    api: PeerSettings = Field(description="gRPC of the resource-api.")
    election: ElectionSettings = Field(default=ElectionSettings(), description="Mastership of the root controllers.")
    keep_changes: int = Field(
        default=100_000, ge=1000, description="Changes that stay in the log for watches; older ones answer 410."
    )
