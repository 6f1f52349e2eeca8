"""apply, diff, delete: documents against the server."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from controller.cli import documents, last_applied, options
from controller.cli.arguments import ForceOption, NameArgument, OptionalKindArgument
from controller.cli.documents import Files, OptionalFiles
from controller.cli.exit_codes import ExitCode, UsageProblem
from controller.cli.kind_words import find_kind, split_kind_and_name
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import plans, progress_lines
from controller.cli.waiting import NoWaitOption, WaitOption, seconds_of, until_done
from controller.client.kinds import ResourceName
from controller.errors import Conflict
from controller.model import document

app = typer.Typer()

_PANEL = "Documents"


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.remote
def apply(
    session: Session,
    file: Files,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    if_unchanged: Annotated[
        bool,
        typer.Option("--if-unchanged", help="Refuse to overwrite what was changed since the last apply from here."),
    ] = False,
) -> View:
    """Create or update all resources of the documents in one transaction: all of them, or none.

    A warning names what somebody else has changed since the last apply from here, and what would be overwritten.

    Example:
      resourcectl apply -f examples/tokyo
      resourcectl apply -f https://example.com/web.yaml
      resourcectl get service web -o yaml | resourcectl apply -f -
    """
    wanted = checked(file)
    plan = session.plan(wanted) if dry_run or last_applied.is_known(session, wanted) else None
    if plan is not None and last_applied.warn(session, plan) and if_unchanged:
        raise Conflict("somebody else has changed what the documents overwrite: nothing was written")
    if dry_run and plan is not None:
        return plans.plan_with_forecasts(plan)
    results = session.apply(wanted)
    last_applied.remember(session, wanted)
    return plans.results(results)


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.remote
def diff(
    session: Session,
    file: Files,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with code 7 when there are differences.")
    ] = False,
) -> View:
    """Show what apply would change, field by field, and what it would refuse. Changes nothing.

    Example:
      resourcectl diff -f examples/tokyo/web.yaml
    """
    plan = session.plan(checked(file))
    last_applied.warn(session, plan)
    code = ExitCode.DIFFERS if exit_code and plans.differs(plan) else ExitCode.DONE
    return dataclasses.replace(plans.differences(plan), exit_code=code)


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def delete(
    session: Session,
    kind: OptionalKindArgument = None,
    name: NameArgument = None,
    file: OptionalFiles = None,
    force: ForceOption = False,
    wait: WaitOption = None,
    no_wait: NoWaitOption = False,
) -> View:
    """Delete one resource by name, or all resources that documents name, children first.

    On a terminal the command shows how far the deletion is, and ends when all is deleted.

    Example:
      resourcectl delete service web
      resourcectl delete -f examples/tokyo
    """
    seconds = seconds_of(wait, no_wait=no_wait)
    if file:
        if kind is not None:
            raise UsageProblem("delete: give KIND NAME or -f FILE, not both")
        return _delete_documents(session, checked(file), seconds)
    kind, name = split_kind_and_name(kind or "", name)
    if not kind or name is None:
        raise UsageProblem("delete: give KIND NAME or -f FILE")
    key = session.locate(kind, name)
    remaining = session.delete(key, force=force)
    if remaining is None or seconds is None:
        return plans.deleted(key, remaining)
    waited = until_done(session, [key], progress_lines.deletion, seconds)
    return dataclasses.replace(plans.deleted(key, waited.items[0]), exit_code=waited.exit_code)


def _delete_documents(session: Session, wanted: list[dict[str, Any]], seconds: float | None) -> View:
    results = [dict(result) for result in session.delete_documents(wanted)]
    remaining = [result for result in results if str(result["status"]).startswith("Deleting")]
    if not remaining or seconds is None:
        return plans.results(results)
    waited = until_done(session, [_key(result) for result in remaining], progress_lines.deletion, seconds)
    for result, item in zip(remaining, waited.items, strict=True):
        result["status"] = "" if item is None else item["status"]
    return dataclasses.replace(plans.results(results), exit_code=waited.exit_code)


def _key(result: dict[str, Any]) -> ResourceName:
    kind = find_kind(result["kind"])
    names = str(result["key"]).split("/")
    return kind.key(*names[1:], project=names[0]) if kind.per_project else kind.key(*names)


def checked(files: list[str]) -> list[dict[str, Any]]:
    """Return the documents as the server accepts them. Raises InvalidInput with each problem's place in its file."""
    return [document.render(resource, server_set=False) for resource in documents.check(documents.read(files))]
