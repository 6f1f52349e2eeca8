"""version: of this program, of the API that it talks to, and of every process behind it."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from controller.cli import options
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.tables import dig, text
from controller.cli.views import versions
from controller.client import kinds
from controller.errors import Forbidden

app = typer.Typer()


@app.command(rich_help_panel="Documents")
@options.shown
@options.remote
def version(
    session: Session,
    client: Annotated[bool, typer.Option("--client", help="Only the version of this program; asks no server.")] = False,
) -> View:
    """Show the versions of this program, of the API, and of all processes, and which of them differ.

    Example:
      resourcectl version
      resourcectl version --client
    """
    from importlib.metadata import version as version_of  # reads mail headers, so it imports the package email

    own = version_of("resource-service")
    if client:
        return versions.client_alone(own)
    return versions.view(own, session.client.api_version(), _running(session))


def _running(session: Session) -> Counter[tuple[str, str]]:
    """Count processes, agents among them, by kind and version. A token may not be allowed to see them."""
    found: Counter[tuple[str, str]] = Counter()
    try:
        for process in session.find(kinds.get("ServiceProcess")):
            if process["state"] == "Up":
                found[process["spec"]["process_kind"], text(dig(process, "spec.version"))] += 1
    except Forbidden:
        pass
    return found
