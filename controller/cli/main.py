"""``resourcectl``: the command of users and operators, and the start of every process.

The table below is the only list of the commands of this package. Other packages add commands by an entry point
(``extensions``). A command's module is imported when the command is used, so that ``resourcectl get`` does not import
what ``resourcectl run`` needs. An error ends in one line per problem and a documented exit code (``exit_codes``).
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

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
    "explain": "explain",
    "edit": "edit",
    "version": "version",
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
    "quarantine": "quarantine",
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
"""Command to its module in ``controller.cli.commands``."""


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

    def make_context(self, *args: Any, **extra: Any) -> Context:
        with _errors_reported():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Context) -> Any:
        with _errors_reported():
            return super().invoke(ctx)


@contextlib.contextmanager
def _errors_reported() -> Iterator[None]:
    """Report wrong words of a command line as all other errors are, not in a frame of their own."""
    try:
        yield
    except errors.ResourceError as error:
        raise typer.Exit(exit_codes.report(error)) from error
    except TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "resourcectl")
        problem = exit_codes.UsageProblem(f"{error.format_message()}\nsee {command} --help")
        raise typer.Exit(exit_codes.report(problem)) from error


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
    """Manage datacenters, nodes and services by documents. The Resource Service makes them real, and keeps them so.

    Example:
      resourcectl apply -f examples/tokyo
      resourcectl get services

    Exit codes: 0 success, 1 error, 2 usage, 3 not found, 4 refused, 5 invalid document, 6 try again.
    """


def main() -> None:
    """Entry point of the program."""
    app()
