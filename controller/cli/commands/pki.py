"""pki: the tree of certificate authorities of a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
pki = typer.Typer(no_args_is_help=True)
app.add_typer(pki, name="pki", rich_help_panel="Servers")


@pki.callback()
def _pki() -> None:
    """Create the certificate authorities by which processes and nodes authenticate each other.

    Example:
      resourcectl pki init /etc/resource-service/pki --cluster tokyo1
    """


@pki.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the authorities.", file_okay=False)],
    cluster: Annotated[
        list[str] | None,
        typer.Option("--cluster", metavar="NAME", help="Cluster that gets an authority. May be repeated."),
    ] = None,
) -> None:
    """Create the root authority, that of the root tier, and one for each named cluster. Existing ones are kept.

    Only you can read the keys. Each host gets the folder of its own tier, as tls.authority of its processes. Once all
    are created, keep the folder `root` offline.

    Example:
      resourcectl pki init /etc/resource-service/pki --cluster tokyo1
    """
    from controller.cli.exit_codes import UsageProblem
    from controller.clock import SystemClock
    from controller.pki import ROOT, AuthorityTree, cluster_scope

    tree = AuthorityTree(folder, clock=SystemClock())
    try:
        for scope in (ROOT, *(cluster_scope(name) for name in cluster or ())):
            typer.echo(tree.scope_folder(scope))
    except OSError as error:
        raise UsageProblem(f"{error.filename or folder}: {error.strerror}") from error
