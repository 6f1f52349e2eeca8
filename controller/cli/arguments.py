"""Arguments that commands share: kinds and names, with completion."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import completion
from controller.cli.kind_words import complete_kind

_KIND = typer.Argument(
    metavar="KIND",
    help="Kind: its name, plural or short name (node, racks, vm); or KIND/NAME.",
    autocompletion=complete_kind,
)
KindArgument = Annotated[str, _KIND]
OptionalKindArgument = Annotated[str | None, _KIND]
NameArgument = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Name; or PARENT/NAME.", autocompletion=completion.name)
]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Node: delete it and what ran there without its confirmation. Only for a node that never returns.",
    ),
]
