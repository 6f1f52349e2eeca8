"""backup and restore of a tier's database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.databases import ClusterOption, ConfigOption, TierOption, UrlOption, opened
from controller.cli.exit_codes import UsageProblem
from controller.counted import counted

app = typer.Typer()

_PANEL = "Servers"
File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup (JSON lines, gzip).", dir_okay=False)]


@app.command(rich_help_panel=_PANEL)
def backup(
    file: File,
    config: ConfigOption = None,
    url: UrlOption = None,
    tier: TierOption = None,
    cluster: ClusterOption = "",
) -> None:
    """Write a whole database, as of one instant, to a file that only you can read. Processes may keep running.

    Example:
      resourcectl backup root.backup --config /etc/resource-service/resource-api.toml
    """
    from controller.store import backup as backups

    with opened(config, url, tier, cluster) as database:
        try:
            rows = backups.backup(database, file)
        except OSError as error:
            raise UsageProblem(f"{file}: {error.strerror}") from error
    typer.echo(f"{counted(rows, 'row')} written to {file}")


@app.command(rich_help_panel=_PANEL)
def restore(
    file: File,
    config: ConfigOption = None,
    url: UrlOption = None,
    tier: TierOption = None,
    cluster: ClusterOption = "",
) -> None:
    """Fill an empty database from a backup of SQLite or PostgreSQL. Stop the processes of the tier first.

    Example:
      resourcectl restore root.backup --url postgresql+psycopg://resource@db1/root --tier root
    """
    from controller.store import backup as backups
    from controller.store.database import Tier

    with opened(config, url, tier, cluster) as database:
        rows = backups.restore(database, file)
        waits = database.tier is Tier.CLUSTER
    typer.echo(f"{counted(rows, 'row')} restored from {file}")
    if waits:
        typer.echo("the cluster changes nothing until all its nodes have reported: `resourcectl get nodes -o wide`")
