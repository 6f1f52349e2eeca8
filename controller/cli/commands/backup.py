"""backup and restore of a tier's database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.databases import ClusterOption, ConfigOption, TierOption, UrlOption, opened
from controller.cli.exit_codes import UsageProblem

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
    """Write a whole database, as of one instant, into a file that only you may read; processes may run on.

    Example:
      resourcectl backup root.backup --config /etc/resource-service/resource-api.toml
    """
    from controller.store import backup as backups

    with opened(config, url, tier, cluster) as database:
        try:
            rows = backups.backup(database, file)
        except OSError as error:
            raise UsageProblem(f"{file}: {error.strerror}") from error
    typer.echo(f"{rows} rows written to {file}")


@app.command(rich_help_panel=_PANEL)
def restore(
    file: File,
    config: ConfigOption = None,
    url: UrlOption = None,
    tier: TierOption = None,
    cluster: ClusterOption = "",
) -> None:
    """Fill an empty database from a backup, of SQLite or PostgreSQL alike; stop the tier's processes first.

    Example:
      resourcectl restore root.backup --url postgresql+psycopg://resource@db1/root --tier root
    """
    from controller.store import backup as backups

    with opened(config, url, tier, cluster) as database:
        rows = backups.restore(database, file)
    typer.echo(f"{rows} rows restored from {file}")
