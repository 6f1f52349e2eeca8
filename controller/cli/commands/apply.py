"""apply, diff, delete: documents against the server."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from controller.cli import documents, options
from controller.cli.arguments import ForceOption, NameArgument, OptionalKindArgument, named
from controller.cli.exit_codes import ExitCode, UsageProblem
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import plans
from controller.model import document

app = typer.Typer()

_PANEL = "Documents"
Files = Annotated[
    list[str],
    typer.Option("-f", "--file", help="File or folder of documents; - is standard input. May be repeated."),
]


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.remote
def apply(
    session: Session,
    file: Files,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
) -> View:
    """Create or update everything that the documents say, all in one transaction or nothing of it.

    Example:
      resourcectl apply -f examples/tokyo
      resourcectl get service web -o yaml | resourcectl apply -f -
    """
    wanted = checked(file)
    return plans.foreseen(session.plan(wanted)) if dry_run else plans.results(session.apply(wanted))


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.remote
def diff(
    session: Session,
    file: Files,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 7 when something differs.")] = False,
) -> View:
    """Show what apply would change, field by field, and what would be refused; changes nothing.

    Example:
      resourcectl diff -f examples/tokyo/web.yaml
    """
    plan = session.plan(checked(file))
    code = ExitCode.DIFFERS if exit_code and plans.differs(plan) else ExitCode.DONE
    return dataclasses.replace(plans.differences(plan), exit_code=code)


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def delete(
    session: Session,
    kind: OptionalKindArgument = None,
    name: NameArgument = None,
    file: Annotated[
        list[str] | None, typer.Option("-f", "--file", help="Delete what these documents name; may be repeated.")
    ] = None,
    force: ForceOption = False,
) -> View:
    """Delete one resource by name, or everything that documents name, children first.

    Example:
      resourcectl delete service web
      resourcectl delete -f examples/tokyo
    """
    if file:
        if kind is not None:
            raise UsageProblem("delete: give KIND NAME or -f FILE, not both")
        return plans.results(session.delete_documents(checked(file)))
    kind, name = named(kind or "", name)
    if not kind or name is None:
        raise UsageProblem("delete: give KIND NAME or -f FILE")
    key = session.locate(kind, name)
    return plans.deleted(key, session.delete(key, force=force))


def checked(files: list[str]) -> list[dict[str, Any]]:
    """The documents as the server takes them; raises InvalidInput with their places first."""
    return [document.render(resource, server_set=False) for resource in documents.check(documents.read(files))]
