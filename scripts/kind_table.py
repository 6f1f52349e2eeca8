"""Write controller/client/kind_table.py, what the client knows of the kinds, from the models.

``--check`` only compares. Run ``make docs`` after changing a model; a test fails while the table is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from controller import model as _model  # noqa: F401  (registers the kinds)
from controller.client.kind_types import ClientColumn, ClientKind
from controller.model import registry
from controller.model.envelope import SERVER_SET
from controller.model.registry import Kind

FILE = Path(__file__).resolve().parents[1] / "controller" / "client" / "kind_table.py"


def entry(kind: Kind) -> ClientKind:
    """Return what the client is to know of a kind."""
    columns = tuple(ClientColumn(column.title, column.path, column.wide) for column in kind.columns)
    return ClientKind(
        name=kind.name,
        noun=kind.noun,
        segment=kind.segment,
        aliases=kind.aliases,
        parent=kind.parent,
        parents=kind.parents,
        per_project=kind.per_project,
        collection_path=kind.collection_path,
        columns=columns,
    )


def text() -> str:
    """Return the module's text."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '"""The kinds as ``controller.client.kinds`` has them. Made by `make docs` from the models; do not edit."""'
    yield ""
    yield "from controller.client.kind_types import ClientColumn, ClientKind"
    yield ""
    yield f"SERVER_SET: tuple[str, ...] = {SERVER_SET!r}"
    yield '"""Fields that the server sets."""'
    yield ""
    yield "KINDS: tuple[ClientKind, ...] = ("
    for kind in registry.kinds():
        yield f"    {entry(kind)!r},"
    yield ")"


def main() -> int:
    """Write the table, or with ``--check`` report that it is stale."""
    if "--check" in sys.argv[1:]:
        if FILE.read_text(encoding="utf-8") == text():
            return 0
        print("controller/client/kind_table.py is stale: run `make docs`", file=sys.stderr)
        return 1
    FILE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
