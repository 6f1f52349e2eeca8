"""The database of a tier, for the commands that run on the server itself."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.exit_codes import UsageProblem

if TYPE_CHECKING:
    from controller.store.database import Database


class TierWord(StrEnum):
    """Values of ``--tier``."""

    ROOT = "root"
    CLUSTER = "cluster"


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file of a process that uses the database.", dir_okay=False),
]
UrlOption = Annotated[str | None, typer.Option("--url", metavar="URL", help="URL of the database.")]
TierOption = Annotated[TierWord | None, typer.Option("--tier", help="Tier of the database; with --url.")]
ClusterOption = Annotated[str, typer.Option("--cluster", metavar="NAME", help="Cluster of the database.")]


@contextmanager
def opened(config: Path | None, url: str | None, tier: TierWord | None, cluster: str) -> Iterator[Database]:
    """Return the database that the options give. Raises UsageProblem when they give none, or two."""
    from controller.store.database import Database, Tier

    if (config is None) == (url is None):
        raise UsageProblem("give --config FILE, or --url URL with --tier")
    if config is not None:
        url, found_tier, found_cluster = from_config(config)
        tier, cluster = tier or found_tier, cluster or found_cluster
    if tier is None:
        raise UsageProblem("--tier is needed: root or cluster")
    if tier is TierWord.CLUSTER and not cluster:
        raise UsageProblem("--cluster NAME is needed with --tier cluster")
    assert url is not None
    database = Database(url, tier=Tier(tier.value), cluster=cluster)
    try:
        yield database
    finally:
        database.close()


def from_config(file: Path) -> tuple[str, TierWord, str]:
    """Return URL, tier and cluster from a process's TOML file. A file with a cluster is that of a cluster's process."""
    try:
        values = tomllib.loads(file.read_text())
    except OSError as error:
        raise UsageProblem(f"--config {file}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(f"--config {file}: {error}") from error
    database = values.get("database")
    url = database.get("url") if isinstance(database, dict) else None
    if not isinstance(url, str):
        raise UsageProblem(f"--config {file}: database.url is missing")
    cluster = str(values.get("cluster", ""))
    return url, TierWord.CLUSTER if cluster else TierWord.ROOT, cluster
