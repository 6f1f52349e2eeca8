"""token: bearer tokens of users (roles admin, operator, viewer)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import options
from controller.cli.arguments import find_kind
from controller.cli.output import View
from controller.cli.secret_output import hand_out
from controller.cli.session import Session
from controller.cli.views import resources
from controller.model.access import Token, TokenRole, TokenSpec

app = typer.Typer()
token = typer.Typer(no_args_is_help=True)
app.add_typer(token, name="token", rich_help_panel="Access")


class RoleWord(StrEnum):
    """Values of ``--role``."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


@token.callback()
def _token() -> None:
    """Make, list and revoke bearer tokens.

    Example:
      resourcectl token create ops --role operator
    """


@token.command()
@options.remote
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the token.")],
    role: Annotated[RoleWord, typer.Option(help="What the bearer may do.")] = RoleWord.VIEWER,
    project: Annotated[
        list[str] | None, typer.Option("--project", help="Only for this project; may be repeated. None: for all.")
    ] = None,
    days: Annotated[int | None, typer.Option(help="Days until it ends; else it does not end.", min=1)] = None,
    description: Annotated[str, typer.Option(help="Whose it is.")] = "",
    output_file: Annotated[
        Path | None,
        typer.Option("--to-file", metavar="FILE", help="Write the secret into a new file that only you may read."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="Write into the root's database itself: for the first token."),
    ] = None,
) -> None:
    """Make a token and print its secret, which is stored nowhere and cannot be shown again.

    The first admin token is made on the server, with --database: there is no token yet to ask with.

    Example:
      resourcectl token create admin --role admin --database sqlite:////var/lib/resource-service/root.db
      resourcectl token create ci --role operator --project shop --days 90 --to-file ci.token
    """
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) if days else None
    wanted = Token(
        name=name,
        spec=TokenSpec(
            role=TokenRole(role.value), projects=tuple(project or ()), expires_at=expires, description=description
        ),
    )
    hand_out(lambda: _make_locally(database, wanted) if database else session.make_secret(wanted), output_file)


@token.command("list")
@options.shown
@options.remote
def list_tokens(session: Session) -> View:
    """List the tokens, without their secrets.

    Example:
      resourcectl token list
    """
    kind = find_kind("Token")
    return resources.many(kind, session.find(kind))


@token.command()
@options.remote
def revoke(session: Session, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the token.")]) -> None:
    """End a token at once.

    Example:
      resourcectl token revoke ci
    """
    session.delete(session.locate("Token", name))
    typer.echo(f"token {name} is revoked")


def _make_locally(url: str, wanted: Token) -> str:
    from controller.store import tokens
    from controller.store.database import Database, Tier, Transaction

    def make(tx: Transaction) -> str:
        return tokens.issue(tx, wanted)[1]

    database = Database(url, tier=Tier.ROOT)
    try:
        database.check_schema()
        return database.write(make)
    finally:
        database.close()
