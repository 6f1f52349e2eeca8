"""db: the schema of a tier's database."""

from __future__ import annotations

import typer

from controller.cli.databases import ClusterOption, ConfigOption, TierOption, UrlOption, opened
from controller.cluster.root_link import apply_desired
from controller.store.database import Tier

app = typer.Typer()
db = typer.Typer(no_args_is_help=True)
app.add_typer(db, name="db", rich_help_panel="Servers")


@db.callback()
def _db() -> None:
    """Look after the database of the root or of a cluster; run it on the server itself.

    Example:
      resourcectl db upgrade --url sqlite:////var/lib/resource-service/root.db --tier root
    """


@db.command()
def upgrade(
    config: ConfigOption = None, url: UrlOption = None, tier: TierOption = None, cluster: ClusterOption = ""
) -> None:
    """Bring the schema of a database to what this program knows; an empty database gets it whole.

    Example:
      resourcectl db upgrade --config /etc/resource-service/resource-api.toml
      resourcectl db upgrade --url postgresql+psycopg://resource@db1/root --tier root
    """
    with opened(config, url, tier, cluster) as database:
        database.upgrade()
    typer.echo("the database is up to date")


@db.command()
def forget_root(
    config: ConfigOption = None, url: UrlOption = None, tier: TierOption = None, cluster: ClusterOption = ""
) -> None:
    """Let the next root that speaks to a cluster be its root; for a root that was lost without a backup.

    What runs there and is not described to the new root is then removed: describe it first.

    Example:
      resourcectl db forget-root --config /etc/resource-service/cluster-api.toml
    """
    with opened(config, url, tier, cluster) as database:
        if database.tier is not Tier.CLUSTER:
            raise typer.BadParameter("a root has no root: give the configuration of a cluster's process")
        known = database.write(apply_desired.forget_root)
    typer.echo("the next root that speaks is this cluster's" if known else "no root has spoken to this cluster yet")


@db.command()
def check(
    config: ConfigOption = None, url: UrlOption = None, tier: TierOption = None, cluster: ClusterOption = ""
) -> None:
    """Say whether this program knows the schema of a database; exits with 1 when it does not.

    Example:
      resourcectl db check --config /etc/resource-service/resource-api.toml
    """
    with opened(config, url, tier, cluster) as database:
        database.check_schema()
    typer.echo("the database has the schema that this program knows")
