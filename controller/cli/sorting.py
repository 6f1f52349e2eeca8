"""The order of ``--sort-by``: numbers by size, texts by letters, and last what has no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller.cli.exit_codes import UsageProblem
from controller.cli.tables import dig, text
from controller.client.kinds import ClientKind
from controller.errors import InvalidInput

Document = Mapping[str, Any]


def sorted_by(kind: ClientKind, items: Sequence[Document], path: str) -> list[Document]:
    """Return the items in the order of the field at ``path``: ``spec.row``, or as kubectl has it ``.spec.row``.

    Raises UsageProblem for a field that the kind does not have.
    """
    path = path.strip().removeprefix("{").removesuffix("}").removeprefix(".")
    if all(dig(item, path) is None for item in items):
        _check(kind, path)
    return sorted(items, key=lambda item: _rank(dig(item, path)))


def _rank(value: Any) -> tuple[int, float, str]:
    if value is None:
        return (2, 0, "")
    if isinstance(value, int | float):
        return (0, value, "")
    return (1, 0, text(value))


def _check(kind: ClientKind, path: str) -> None:
    # Loading the models costs a second, so it is for a field that no resource has.
    from controller import model as _model  # noqa: F401  (registers the kinds)
    from controller.model import field_paths, registry

    try:
        field_paths.check_path(registry.get(kind.name), path)
    except InvalidInput as error:
        raise UsageProblem(f"--sort-by: {error.problems[0].message}") from error
