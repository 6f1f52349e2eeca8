"""Small pieces of SQL that differ between SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from controller.store.database import Transaction


def among(tx: Transaction, column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    """``column IN values`` with one bound parameter, so that any number of values is one statement."""
    if tx.dialect == "postgresql":
        return column == func.any(bindparam(None, list(values), type_=ARRAY(Text)))
    members = func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(select(members.c.value))


def json_text(tx: Transaction, document: ColumnElement[Any], steps: Sequence[str]) -> ColumnElement[str]:
    """Return the text at a path of a JSON column; NULL if it is not set. Booleans differ: see json_is_bool."""
    if tx.dialect == "postgresql":
        return func.jsonb_extract_path_text(document, *steps)
    return func.cast(func.json_extract(document, _sqlite_path(steps)), Text)


def json_is_bool(
    tx: Transaction, document: ColumnElement[Any], steps: Sequence[str], literal: str
) -> ColumnElement[bool]:
    """Return whether the path holds the JSON boolean ``literal`` (``true`` or ``false``), or that text."""
    if tx.dialect == "postgresql":
        return json_text(tx, document, steps) == literal
    kind: ColumnElement[str] = func.json_type(document, _sqlite_path(steps))
    return (kind == literal) | ((kind == "text") & (json_text(tx, document, steps) == literal))


def _sqlite_path(steps: Sequence[str]) -> str:
    return "$" + "".join(f"[{step}]" if step.isdigit() else f'."{step}"' for step in steps)
