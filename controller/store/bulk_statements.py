"""Many rows in one statement.

SQLite is fastest with one prepared statement that runs for each row. PostgreSQL needs a message for each row, so there
new rows are streamed with COPY (the server stores the first while the last are still being rendered), and changed
rows are sent as one JSON value that the server unfolds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

from sqlalchemy import BigInteger, Integer, Table, bindparam
from sqlalchemy import insert as sql_insert
from sqlalchemy import update as sql_update
from sqlalchemy.exc import DBAPIError

from controller.store.database import Transaction
from controller.store.tables import JsonText

Row = Mapping[str, Any]


_ROWS_PER_MESSAGE = 100


def insert(tx: Transaction, table: Table, rows: Iterable[Row]) -> None:
    """Insert rows that all have the same columns; a generator runs while the server stores."""
    remaining = iter(rows)
    first = next(remaining, None)
    if first is None:
        return
    remaining = chain((first,), remaining)
    if tx.dialect != "postgresql":
        tx.connection.execute(sql_insert(table), list(remaining))
        return
    with _copy(tx, f"COPY {table.name} ({', '.join(_quoted(first))}) FROM STDIN") as copy:
        while part := list(islice(remaining, _ROWS_PER_MESSAGE)):
            copy.write("".join([_line(row) for row in part]).encode())


def update(tx: Transaction, table: Table, keys: Sequence[str], rows: Sequence[Row]) -> int:
    """Set the columns of the rows that have the same ``keys``; all rows have the same columns.

    Return how many rows were found.
    """
    if not rows:
        return 0
    names = [name for name in rows[0] if name not in keys]
    if tx.dialect != "postgresql":
        statement = (
            sql_update(table)
            .where(*(table.c[name] == bindparam(f"new_{name}") for name in keys))
            .values({name: bindparam(f"new_{name}") for name in names})
        )
        values = [{f"new_{name}": value for name, value in row.items()} for row in rows]
        return tx.connection.execute(statement, values).rowcount
    assigned = ", ".join(f"{name} = given.{name}" for name in _quoted(names))
    same = " AND ".join(f"{table.name}.{name} = given.{name}" for name in _quoted(keys))
    return _run(tx, table, rows, f"UPDATE {table.name} SET {assigned} FROM {_given(table, rows)} WHERE {same}")  # noqa: S608


def add(
    tx: Transaction,
    table: Table,
    keys: Sequence[str],
    rows: Sequence[Row],
    prefix: str,
    names: Sequence[str],
    *,
    limit: str | None = None,
) -> int:
    """Add each row's ``names`` to the columns ``<prefix><name>`` of the row with the same ``keys``; each key once.

    With ``limit``, only where no sum of an amount above zero exceeds ``<limit><name>``.
    Return how many rows were changed.
    """
    if not rows:
        return 0
    if tx.dialect != "postgresql":
        room = [
            (bindparam(f"new_{name}") <= 0)
            | (table.c[f"{prefix}{name}"] + bindparam(f"new_{name}") <= table.c[f"{limit}{name}"])
            for name in (names if limit is not None else ())
        ]
        statement = (
            sql_update(table)
            .where(*(table.c[key] == bindparam(f"new_{key}") for key in keys), *room)
            .values({f"{prefix}{name}": table.c[f"{prefix}{name}"] + bindparam(f"new_{name}") for name in names})
        )
        values = [{f"new_{name}": row[name] for name in (*keys, *names)} for row in rows]
        return sum(tx.connection.execute(statement, each).rowcount for each in values)
    sums = {name: f"{table.name}.{prefix}{name} + given.{name}" for name in names}
    assigned = ", ".join(f"{prefix}{name} = {sums[name]}" for name in names)
    found = [f"{table.name}.{key} = given.{key}" for key in keys]
    if limit is not None:
        found += [f"(given.{name} <= 0 OR {sums[name]} <= {table.name}.{limit}{name})" for name in names]
    types = ", ".join([*(f'"{key}" {_type(table, key)}' for key in keys), *(f'"{name}" bigint' for name in names)])
    given = f"jsonb_to_recordset(%(rows)s::jsonb) AS given({types})"
    text = f"UPDATE {table.name} SET {assigned} FROM {given} WHERE {' AND '.join(found)}"  # noqa: S608
    document = json.dumps([{name: row[name] for name in (*keys, *names)} for row in rows])
    return tx.connection.exec_driver_sql(text, {"rows": document}).rowcount


@contextmanager
def _copy(tx: Transaction, statement: str) -> Iterator[Any]:
    """Run COPY, which SQLAlchemy does not support; errors are raised as those of its own statements."""
    import psycopg

    connection: Any = tx.connection.connection.driver_connection
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            yield copy
    except psycopg.Error as error:
        lost = bool(connection.closed)
        if lost:
            tx.connection.invalidate(error)  # otherwise the rollback fails as well, and hides the server's reason
        raise DBAPIError.instance(
            statement, None, error, psycopg.Error, connection_invalidated=lost, dialect=tx.connection.dialect
        ) from error


_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _line(row: Row) -> str:
    """Return a row in the text format of COPY."""
    fields = [value if value.__class__ is str else _plain(value) for value in row.values()]
    line = "\t".join(fields)
    if "\\" in line or "\n" in line or "\r" in line or line.count("\t") >= len(fields):
        line = "\t".join([_escaped(value) for value in row.values()])
    return line + "\n"


def _plain(value: Any) -> str:
    return r"\N" if value is None else str(value)


def _escaped(value: Any) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], value) if isinstance(value, str) else _plain(value)


def _run(tx: Transaction, table: Table, rows: Sequence[Row], statement: str) -> int:
    documents = [name for name in rows[0] if isinstance(table.c[name].type, JsonText)]
    unfolded = ",".join(_unfolded(row, documents) for row in rows)
    return tx.connection.exec_driver_sql(statement, {"rows": f"[{unfolded}]"}).rowcount


def _unfolded(row: Row, documents: Sequence[str]) -> str:
    """Return a row as JSON; documents are JSON already and are not encoded again."""
    plain = json.dumps({name: value for name, value in row.items() if name not in documents})
    nested = "".join(f",{json.dumps(name)}:{row[name]}" for name in documents)
    return f"{plain[:-1]}{nested}}}"


def _given(table: Table, rows: Sequence[Row]) -> str:
    columns = ", ".join(f'"{name}" {_type(table, name)}' for name in rows[0])
    return f"jsonb_to_recordset(%(rows)s::jsonb) AS given({columns})"


def _type(table: Table, name: str) -> str:
    stored = table.c[name].type
    if isinstance(stored, JsonText):
        return "jsonb"
    if isinstance(stored, BigInteger):
        return "bigint"
    return "integer" if isinstance(stored, Integer) else "text"


def _quoted(names: Sequence[str] | Row) -> list[str]:
    return [f'"{name}"' for name in names]
