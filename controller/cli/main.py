"""``resourcectl``: the command of users and operators, and the start of every process.

The table below is the only list of commands of our own; packages beside this one join theirs by an
entry point (``extensions``). A command's module is imported when the command is
used, so that ``resourcectl run`` does not pay for the tables of ``resourcectl get``, nor the other
way round. Errors of the tree end in one line per problem and a documented exit code (``exits``).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from controller import errors
from controller.cli import exit_codes, extensions

if TYPE_CHECKING:
    from typer._click import Command, Context

COMMANDS: Mapping[str, str] = {
    "apply": "apply",
    "diff": "apply",
    "delete": "apply",
    "get": "read",
    "describe": "read",
    "watch": "watch",
    "scale": "services",
    "rollback": "services",
    "rebalance": "services",
    "revisions": "services",
    "start": "computes",
    "stop": "computes",
    "reboot": "computes",
    "migrate": "computes",
    "console": "console",
    "cordon": "nodes",
    "uncordon": "nodes",
    "drain": "nodes",
    "plan": "plan",
    "impact": "impact",
    "capacity": "capacity",
    "schedule-snapshot": "schedule_snapshot",
    "schedule-replay": "schedule_snapshot",
    "token": "tokens",
    "join-token": "join_tokens",
    "up": "lab",
    "down": "lab",
    "lab": "lab",
    "run": "run",
    "pki": "pki",
    "db": "database",
    "backup": "backup",
    "restore": "backup",
}
"""Command to the module of ``controller.cli.commands`` that holds it."""


class Commands(TyperGroup):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: Context) -> list[str]:
        return [*COMMANDS, *extensions.names()]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        module_name = COMMANDS.get(cmd_name)
        if module_name is None:
            return extensions.command(cmd_name)
        module = importlib.import_module(f"controller.cli.commands.{module_name}")
        group = typer.main.get_group(module.app)
        return group.commands[cmd_name]

    def invoke(self, ctx: Context) -> Any:
        try:
            return super().invoke(ctx)
        except errors.ResourceError as error:
            raise typer.Exit(exit_codes.report(error)) from error


app = typer.Typer(
    name="resourcectl",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("resource-service"))
        raise typer.Exit


@app.callback()
def resourcectl(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Describe datacenters, nodes and services once; the Resource Service makes them so and keeps them so.

    Example:
      resourcectl apply -f examples/tokyo
      resourcectl get services

    Exit codes: 0 done, 1 error, 2 usage, 3 not found, 4 refused, 5 invalid document, 6 try again.
    """


def main() -> None:
    """Entry point of the program."""
    app()
