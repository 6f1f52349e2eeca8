"""Report code that nothing uses: vulture, without what is data: fields of models, members of enumerations, kinds.

Tests are not read, so that code that only tests use counts as dead. ``[tool.vulture]`` in ``pyproject.toml`` has the
paths, the names that frameworks call, and the stand-ins that are shipped for tests. Exits with 1 if anything is
reported.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path

from pydantic import BaseModel
from vulture.config import make_config
from vulture.core import Item, Vulture

from controller.model.registry import Kind


def main() -> int:
    """Print one line per unused name."""
    config = make_config([])
    vulture = Vulture(ignore_names=config["ignore_names"], ignore_decorators=config["ignore_decorators"])
    vulture.scavenge(config["paths"], exclude=config["exclude"])
    unused = [item for item in vulture.get_unused_code(config["min_confidence"]) if not _is_data(item)]
    for item in unused:
        print(item.get_report())
    return 1 if unused or vulture.exit_code else 0


def _is_data(item: Item) -> bool:
    """Return whether the name is a field of a model, a member of an enumeration or a registered kind."""
    path = Path(item.filename).resolve().relative_to(Path.cwd())
    if item.typ != "variable" or path.parts[0] not in ("controller", "inventory_sync"):
        return False
    module = importlib.import_module(".".join(path.with_suffix("").parts))
    if isinstance(getattr(module, item.name, None), Kind):
        return True
    names = [name for name, lines in _classes(path) if item.first_lineno in lines]
    return any(issubclass(getattr(module, name), BaseModel | Enum) for name in names)


@cache
def _classes(path: Path) -> tuple[tuple[str, range], ...]:
    def found() -> Iterator[tuple[str, range]]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                yield node.name, range(node.lineno, (node.end_lineno or node.lineno) + 1)

    return tuple(found())


if __name__ == "__main__":
    sys.exit(main())
