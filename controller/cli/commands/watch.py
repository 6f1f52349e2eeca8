"""watch: changes as they happen."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from controller.cli import options
from controller.cli.kind_words import complete_kind, find_kind
from controller.cli.output import Format, to_yaml
from controller.cli.session import Session
from controller.cli.tables import text
from controller.printable import printable, printable_json

app = typer.Typer()


@app.command(rich_help_panel="Documents")
@options.remote
def watch(
    session: Session,
    kind: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND]...", help="Kinds to watch. Default: all.", autocompletion=complete_kind),
    ] = None,
    since: Annotated[
        int | None, typer.Option(help="Start after this resource_version. Default: with the next change.", min=0)
    ] = None,
    output: Annotated[Format, typer.Option("-o", "--output", help="Output format.")] = Format.TABLE,
) -> None:
    """Print each change of the given kinds as it happens, until interrupted. Reconnects by itself.

    Example:
      resourcectl watch vm node
    """
    kinds = [find_kind(word).name for word in kind or []]
    try:
        for change in session.watch(kinds, since):
            sys.stdout.write(_line(change, output))
            sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _line(change: dict[str, Any], form: Format) -> str:
    if form is Format.JSON:
        return printable_json(json.dumps(change, ensure_ascii=False)) + "\n"
    if form is Format.YAML:
        return "---\n" + to_yaml(change, many=False)
    resource = change["resource"]
    name = f"{change['kind']} {change['key']}"
    if form is Format.NAME:
        return printable(name) + "\n"
    words = [f"{change['resource_version']:>8}", f"{change['verb']:8}", f"{name:40}", text(resource.get("status"))]
    words += [resource[field] for field in ("state", "status_reason") if resource.get(field)]
    return printable("  ".join(words).rstrip()) + "\n"
