"""join-token: one-time tokens with which a node's agent gets its first certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import options
from controller.cli.kind_words import find_kind
from controller.cli.output import View
from controller.cli.secret_output import deliver
from controller.cli.session import Session
from controller.cli.views import resources
from controller.model.access import JoinToken, JoinTokenSpec

app = typer.Typer()
join_token = typer.Typer(no_args_is_help=True)
app.add_typer(join_token, name="join-token", rich_help_panel="Access")


@join_token.callback()
def _join_token() -> None:
    """Create and list one-time tokens for nodes.

    Example:
      resourcectl join-token create floor-1-1-1-rack-1-1-server1 --cluster tokyo1
    """


@join_token.command()
@options.scoped
def create(
    session: Session,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of the node that may join.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the token. Default: the name of the node and the time.")
    ] = None,
    minutes: Annotated[int, typer.Option(help="Minutes until it expires.", min=1, max=10080)] = 60,
    output_file: Annotated[
        Path | None,
        typer.Option("--to-file", metavar="FILE", help="Write the secret to a new file that only you can read."),
    ] = None,
) -> None:
    """Create a token with which one node can join its cluster, once, and print its secret.

    Example:
      resourcectl join-token create floor-1-1-1-rack-1-1-server1 --cluster tokyo1 --to-file join.token
    """
    now = datetime.now(UTC).replace(microsecond=0)
    key = session.locate("JoinToken", name or f"{node[:48]}-{now:%y%m%d%H%M%S}")
    wanted = JoinToken(
        name=key.names[-1],
        cluster=key.names[0],
        spec=JoinTokenSpec(node=node, expires_at=now + timedelta(minutes=minutes)),
    )
    deliver(lambda: session.make_secret(wanted), output_file)


@join_token.command("list")
@options.shown
@options.scoped
def list_join_tokens(session: Session) -> View:
    """List the join tokens, used ones included, without their secrets.

    Example:
      resourcectl join-token list --cluster tokyo1
    """
    kind = find_kind("JoinToken")
    return resources.many(kind, session.find(kind))
