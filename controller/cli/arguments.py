"""Arguments that commands share: kinds and names, with completion."""

from __future__ import annotations

from typing import Annotated

import typer

from controller import model as _model  # noqa: F401  (registers the kinds)
from controller.cli.exit_codes import UsageProblem
from controller.errors import NotFound
from controller.model import registry
from controller.model.registry import Kind


def find_kind(word: str | None) -> Kind:
    """The kind that ``word`` means; raises UsageProblem naming the known ones."""
    try:
        return registry.find(word or "")
    except NotFound:
        nouns = ", ".join(sorted(kind.noun for kind in registry.kinds()))
        raise UsageProblem(f"KIND {word!r} is not known; known kinds: {nouns}") from None


def named(kind: str, name: str | None) -> tuple[str, str | None]:
    """``rack/tokyo/a`` (what ``-o name`` prints) taken apart; anything else as it is."""
    if name is None and "/" in kind:
        kind, _, name = kind.partition("/")
    return kind, name


def complete_kind(incomplete: str) -> list[str]:
    """Words for a kind that start so."""
    words = {word for kind in registry.kinds() for word in (kind.noun, kind.segment, *kind.aliases)}
    return sorted(word for word in words if word.startswith(incomplete))


_KIND = typer.Argument(
    metavar="KIND",
    help="Kind: its name, plural or short name (node, racks, vm); or KIND/NAME.",
    autocompletion=complete_kind,
)
KindArgument = Annotated[str, _KIND]
OptionalKindArgument = Annotated[str | None, _KIND]
NameArgument = Annotated[str | None, typer.Argument(metavar="NAME", help="Name; or PARENT/NAME.")]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Node: forget it and what ran there, though it cannot confirm. Only for a node that is off for good.",
    ),
]
