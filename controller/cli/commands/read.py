"""get and describe: show resources."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

from controller.cli import completion, options
from controller.cli.arguments import KindArgument, NameArgument
from controller.cli.exit_codes import UsageProblem
from controller.cli.following import follow
from controller.cli.kind_words import find_kind, split_kind_and_name
from controller.cli.listing import Wanted, listing
from controller.cli.output import Form, View, joined
from controller.cli.session import Session
from controller.cli.targets import parse as parse_targets
from controller.cli.views import resources

app = typer.Typer()

_PANEL = "Documents"


@app.command(rich_help_panel=_PANEL)
@options.formed
@options.scoped
def get(
    session: Session,
    form: Form,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="KIND[,KIND...] [NAME]...",
            help="Kinds, and names of resources of one kind; or KIND/NAME, several times.",
            autocompletion=completion.target,
        ),
    ],
    label: Annotated[
        list[str] | None,
        typer.Option("-l", "--label", help="Only resources with this label: KEY=VALUE. May be repeated."),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--field", help="Only resources with this value: PATH=VALUE, for example spec.rack=a. May be repeated."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Most resources to show of a kind.", min=1)] = None,
    sort_by: Annotated[
        str | None, typer.Option("--sort-by", metavar="PATH", help="Order by this field: spec.row.")
    ] = None,
    every_project: Annotated[bool, typer.Option("-A", "--all-projects", help="Resources of all projects.")] = False,
    watch: Annotated[
        bool, typer.Option("-w", "--watch", help="Show changes afterwards as they happen, until interrupted.")
    ] = False,
) -> View:
    """Show resources as a table, as documents, or as a template describes: all of a kind, or those that are named.

    Where no parent (region, datacenter, ...) is given, the resources of all parents are shown.

    Example:
      resourcectl get nodes,vms
      resourcectl get vm web-0 web-1 -o yaml
      resourcectl get racks --datacenter tokyo -l spare=true --sort-by spec.row
      resourcectl get vms -A -w
      resourcectl get nodes -o 'jsonpath={.items[*].name}'
    """
    targets = parse_targets(words)
    wanted = Wanted(tuple(label or ()), _pairs(field or []), limit, sort_by, every_project)
    if any(target.names for target in targets) and (label or field or every_project):
        raise UsageProblem("get: give names or filters, not both")
    if watch:
        follow(session, targets, wanted, form)
        return View()
    if len(targets) == 1 and len(targets[0].names) == 1:
        (name,) = targets[0].names
        return resources.one(targets[0].kind, session.get(session.locate(targets[0].kind.name, name)))
    listings = [listing(session, target, wanted) for target in targets]
    view = joined([resources.many(each.target.kind, each.items) for each in listings])
    return dataclasses.replace(view, exit_code=max(each.exit_code for each in listings))


@app.command(rich_help_panel=_PANEL)
@options.shown
@options.scoped
def describe(session: Session, kind: KindArgument, name: NameArgument = None) -> View:
    """Show everything about one resource: its desired state, its observed state, and its last events.

    Example:
      resourcectl describe vm web-0
    """
    kind, name = split_kind_and_name(kind, name)
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
