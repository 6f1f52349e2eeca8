"""explain: what a kind and its fields are, from the models; needs no server."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.exit_codes import UsageProblem
from controller.cli.kind_words import complete_kind, find_kind
from controller.cli.views import fields
from controller.errors import InvalidInput
from controller.printable import printable

app = typer.Typer()


@app.command(rich_help_panel="Documents")
def explain(
    word: Annotated[
        str,
        typer.Argument(
            metavar="KIND[.FIELD]", help="A kind, or a field of it: rack.spec.row.", autocompletion=complete_kind
        ),
    ],
    recursive: Annotated[bool, typer.Option("--recursive", help="Show the fields at every depth.")] = False,
) -> None:
    """Describe a kind, or a field of it: type, unit, default, and what a change does to what runs.

    Example:
      resourcectl explain rack
      resourcectl explain service.spec.compute
      resourcectl explain service --recursive
    """
    from controller import model as _model  # noqa: F401  (registers the kinds)
    from controller.model import field_paths, registry

    kind_word, _, path = word.partition(".")
    kind = registry.get(find_kind(kind_word).name)
    if path:
        try:
            field_paths.check_path(kind, path)
        except InvalidInput as error:
            raise UsageProblem(f"explain: {error.problems[0].message}") from error
    for line in fields.explanation(kind, path, recursive=recursive):
        typer.echo(printable(line))
