"""get and describe: what there is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from controller.cli import options
from controller.cli.arguments import KindArgument, NameArgument, find_kind, named
from controller.cli.exit_codes import UsageProblem
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import resources

app = typer.Typer()

_PANEL = "Documents"


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def get(
    session: Session,
    kind: KindArgument,
    name: NameArgument = None,
    label: Annotated[
        list[str] | None, typer.Option("-l", "--label", help="Only with this label: KEY=VALUE; may be repeated.")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", help="Only with this value: PATH=VALUE, such as spec.rack=...; may be repeated."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Show so many at most.", min=1)] = None,
) -> View:
    """Show the resources of a kind, or one by name, as a table, YAML or JSON.

    A parent (region, datacenter, ...) that is not named is looked for: all of them are shown.

    Example:
      resourcectl get nodes
      resourcectl get racks --datacenter tokyo -l spare=true
      resourcectl get service web -o yaml
    """
    kind, name = named(kind, name)
    found_kind = find_kind(kind)
    if name is not None:
        if label or field:
            raise UsageProblem("get: give a NAME or filters, not both")
        return resources.one(found_kind, session.get(session.locate(kind, name)))
    items = session.find(found_kind, labels=label or (), fields=_pairs(field or []), limit=limit)
    return resources.many(found_kind, items)


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def describe(session: Session, kind: KindArgument, name: NameArgument = None) -> View:
    """Show everything about one resource: what was asked, what was seen, and its last events.

    Example:
      resourcectl describe vm web-0
    """
    kind, name = named(kind, name)
    if name is None:
        raise UsageProblem("describe: give KIND NAME")
    key = session.locate(kind, name)
    item = session.get(key)
    return resources.description(item, _events(session, key.kind, key.path))


def _events(session: Session, kind: str, path: str) -> list[dict[str, Any]]:
    fields = {"spec.resource_kind": kind, "spec.resource": path}
    events = session.find(find_kind("Event"), fields=fields)
    return sorted(events, key=lambda event: str(event["spec"].get("last_at") or ""))


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise UsageProblem(f"--field {text}: write PATH=VALUE")
        pairs[path] = value
    return pairs
