"""token: bearer tokens of users (roles admin, operator, viewer)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli import options
from controller.cli.kind_words import find_kind
from controller.cli.output import View
from controller.cli.secret_output import deliver
from controller.cli.session import Session
from controller.cli.views import resources
from controller.model.access import Token, TokenRight, TokenRole, TokenSpec

app = typer.Typer()
token = typer.Typer(no_args_is_help=True)
app.add_typer(token, name="token", rich_help_panel="Access")


class RoleWord(StrEnum):
    """Values of ``--role``."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class RightWord(StrEnum):
    """Values of ``--right``."""

    IMAGES = "images"


@token.callback()
def _token() -> None:
    """Create, list and revoke bearer tokens.

    Example:
      resourcectl token create ops --role operator
    """


@token.command()
@options.remote
def create(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the token.")],
    role: Annotated[RoleWord, typer.Option(help="Role of the bearer.")] = RoleWord.VIEWER,
    project: Annotated[
        list[str] | None,
        typer.Option("--project", help="Project that the token is limited to. May be repeated. Default: all projects."),
    ] = None,
    right: Annotated[
        list[RightWord] | None,
        typer.Option("--right", help="Right in addition to the role: images, to write Images. May be repeated."),
    ] = None,
    days: Annotated[int | None, typer.Option(help="Days until it expires. Default: never.", min=1, max=36_500)] = None,
    description: Annotated[str, typer.Option(help="Whose it is.")] = "",
    output_file: Annotated[
        Path | None,
        typer.Option("--to-file", metavar="FILE", help="Write the secret to a new file that only you can read."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="Write to the root's database directly: for the first token."),
    ] = None,
) -> None:
    """Create a token and print its secret, which is not stored and cannot be shown again.

    Create the first admin token on the server, with --database, since no token exists to authenticate with.

    Example:
      resourcectl token create admin --role admin --database sqlite:////var/lib/resource-service/root.db
      resourcectl token create ci --role operator --project shop --days 90 --to-file ci.token
    """
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) if days else None
    wanted = Token(
        name=name,
        spec=TokenSpec(
            role=TokenRole(role.value),
            projects=tuple(project or ()),
            rights=tuple(TokenRight(one.value) for one in right or ()),
            expires_at=expires,
            description=description,
        ),
    )
    deliver(lambda: _make_locally(database, wanted) if database else session.make_secret(wanted), output_file)


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
    """Revoke a token. It is refused from then on.

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
