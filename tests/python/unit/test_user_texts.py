"""What users read names no row of the design (J8, E6): pages, modules' documentation, help texts, OpenAPI."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.model import registry
from controller.root.api import openapi, routes
from tests.python.unit.cli.test_help import COMMANDS

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"(?<![-\w./])(?!L3 unit\b)[A-N]\d{1,2}(?!\w)(?!-(?![A-N]\d))")
"""The id of a row. "L3 unit" is networking."""

FOR_MAINTAINERS = ("docs/rows.md", "docs/decisions/")


def _pages() -> Iterator[str]:
    for pattern in (
        "README.md",
        "CHANGELOG.rst",
        "galaxy.yml",
        "changelogs/**/*.y*ml",
        "docs/**/*.md",
        "examples/**/*",
        "meta/**/*.yml",
        "playbooks/**/*.yml",
        "plugins/**/*.py",
        "plugins/**/*.yml",
    ):
        for path in sorted(ROOT.glob(pattern)):
            name = str(path.relative_to(ROOT))
            if path.is_file() and not name.startswith(FOR_MAINTAINERS):
                yield name


def rows_in(text: str) -> list[str]:
    """Return the lines that name a row."""
    return [line.strip() for line in text.splitlines() if ROW.search(line)]


def test_a_row_is_recognized() -> None:
    assert rows_in("The power axis (J3).\nrows I3-I5\nA4 paper\n") == ["The power axis (J3).", "rows I3-I5", "A4 paper"]
    assert rows_in("an L3 unit, a CPU of type E5-2690, eth0, 0xA4, rack-a1, SHA256") == []


@pytest.mark.parametrize("name", list(_pages()))
def test_pages_name_no_rows(name: str) -> None:
    assert rows_in((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_no_rows(name: str) -> None:
    command = COMMANDS[name]
    helps = [command.help or "", *(getattr(parameter, "help", "") or "" for parameter in command.params)]
    assert [line for text in helps for line in rows_in(text)] == []


@pytest.mark.parametrize("kind", list(registry.kinds()), ids=lambda kind: kind.name)
def test_schemas_of_kinds_name_no_rows(kind: registry.Kind) -> None:
    assert rows_in(json.dumps(kind.model.model_json_schema(), indent=1)) == []


def test_openapi_names_no_rows() -> None:
    assert rows_in(json.dumps(openapi.document(routes.operations()), indent=1)) == []
