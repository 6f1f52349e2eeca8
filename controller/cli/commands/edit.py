"""edit: change one resource in the user's editor, and see what that does before it is done."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import editing, options
from controller.cli.arguments import KindArgument, NameArgument
from controller.cli.exit_codes import UsageProblem
from controller.cli.kind_words import find_kind, split_kind_and_name
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import resources

app = typer.Typer()


@app.command(rich_help_panel="Documents")
@options.shown
@options.scoped
def edit(
    session: Session,
    kind: KindArgument,
    name: NameArgument = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Apply without asking.")] = False,
) -> View:
    """Edit one resource with $VISUAL or $EDITOR, see what would change, and apply it.

    A text that is refused is opened again with the errors at its top. When somebody else has changed the resource
    meanwhile, nothing is written, and the text is kept.

    Example:
      resourcectl edit service web
    """
    kind, name = split_kind_and_name(kind, name)
    if name is None:
        raise UsageProblem("edit: give KIND NAME")
    key = session.locate(kind, name)
    stored = editing.edit(session, key, ask=not yes)
    return View(lines=["nothing was changed"]) if stored is None else resources.one(find_kind(kind), stored)
