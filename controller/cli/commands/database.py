"""db: the schema of a tier's database."""

from __future__ import annotations

import typer

from controller.cli.databases import ClusterOption, ConfigOption, TierOption, UrlOption, opened
from controller.cluster.root_link import apply_desired
from controller.counted import counted
from controller.store import restore_hold
from controller.store.database import Database, Tier

app = typer.Typer()
db = typer.Typer(no_args_is_help=True)
app.add_typer(db, name="db", rich_help_panel="Servers")


@db.callback()
def _db() -> None:
    """Manage the database of the root or of a cluster. Run these commands on the server itself.

    Example:
      resourcectl db upgrade --url sqlite:////var/lib/resource-service/root.db --tier root
    """


@db.command()
def upgrade(
    config: ConfigOption = None, url: UrlOption = None, tier: TierOption = None, cluster: ClusterOption = ""
) -> None:
    """Upgrade the schema of a database to that of this program. An empty database gets the whole schema.

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
    """Accept the next root that connects to a cluster as its root, after a root was lost without a backup.

    The new root then removes everything on the cluster that it has no documents of: apply the documents to it first.

    Example:
      resourcectl db forget-root --config /etc/resource-service/cluster-api.toml
    """
    with opened(config, url, tier, cluster) as database:
        if database.tier is not Tier.CLUSTER:
            raise typer.BadParameter("only a cluster has a root: give the configuration file of a cluster's process")
        known = database.write(apply_desired.forget_root)
    typer.echo(
        "the next root that connects becomes the root of this cluster"
        if known
        else "no root has connected to this cluster yet"
    )


@db.command()
def hold(
    config: ConfigOption = None, url: UrlOption = None, tier: TierOption = None, cluster: ClusterOption = ""
) -> None:
    """Have a cluster change nothing until all its nodes have reported, because its database was restored.

    `restore` does this by itself. Run it after a restore by other means (a copied file, `pg_restore`), while the
    cluster's processes are stopped.

    Example:
      resourcectl db hold --config /etc/resource-service/cluster-api.toml
    """
    with opened(config, url, tier, cluster) as database:
        _require_cluster(database)
        names = database.write(lambda tx: restore_hold.begin(tx, new_epoch=True))
    typer.echo(f"{counted(len(names), 'node')} to be waited for" if names else "no other node is to be waited for")


@db.command()
def end_hold(
    config: ConfigOption = None, url: UrlOption = None, tier: TierOption = None, cluster: ClusterOption = ""
) -> None:
    """Wait no longer for nodes that have not reported since a cluster's database was restored, nor for the root.

    What the database has on those nodes is taken for true. Fence them first: a VM that runs on one of them and that
    the database has elsewhere is started a second time.

    Example:
      resourcectl db end-hold --config /etc/resource-service/cluster-api.toml
    """
    with opened(config, url, tier, cluster) as database:
        _require_cluster(database)
        names = database.write(restore_hold.skip_reports)
    typer.echo(f"not waited for any more: {', '.join(names)}" if names else "no node is waited for")


def _require_cluster(database: Database) -> None:
    if database.tier is not Tier.CLUSTER:
        raise typer.BadParameter("only a cluster has nodes: give the configuration file of a cluster's process")


@db.command()
def check(
    config: ConfigOption = None, url: UrlOption = None, tier: TierOption = None, cluster: ClusterOption = ""
) -> None:
    """Check whether this program knows the schema of a database. Exits with code 1 when it does not.

    Example:
      resourcectl db check --config /etc/resource-service/resource-api.toml
    """
    with opened(config, url, tier, cluster) as database:
        database.check_schema()
    typer.echo("the database has the schema that this program knows")
