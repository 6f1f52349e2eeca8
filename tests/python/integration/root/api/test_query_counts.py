"""Statements that each list of the API sends to the database: pinned in ``query_counts.json``, whatever the rows.

A list that asks for each of its rows shows up as a count that grows. After a change that is meant, run these
tests with ``RESOURCE_WRITE_QUERY_COUNTS=1``, which rewrites the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, event

from controller.model import registry
from tests.python.integration.root.api.conftest import SERVICE, Api

FILE = Path(__file__).with_name("query_counts.json")
LISTS = sorted({kind.collection_path for kind in registry.kinds()})
PARENTS = {"{cluster}": "tokyo1", "{region}": "kanto", "{datacenter}": "tokyo", "{network}": "service"}


@contextmanager
def statements() -> Iterator[list[str]]:
    """The texts of all statements that this process runs."""
    seen: list[str] = []

    def record(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith("BEGIN"):  # PostgreSQL's driver begins by itself
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", record)


async def count(api: Api, path: str) -> int:
    for name, value in PARENTS.items():
        path = path.replace(name, value)
    with statements() as seen:
        answer = await api.get(path)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    return len(seen)


async def test_lists_send_the_pinned_number_of_statements_however_many_rows_they_have(service: Api) -> None:
    few = {path: await count(service, path) for path in LISTS}
    more = [
        {"kind": "Node", "name": f"node-{number}", "cluster": "tokyo1", "spec": {"providers": ["libvirt"]}}
        for number in range(30)
    ]
    more += [{**SERVICE, "name": f"web-{number}"} for number in range(30)]
    more += [{"kind": "Region", "name": f"region-{number}"} for number in range(30)]
    answer = await service.apply(*more)
    assert answer.status_code == 200, answer.text
    many = {path: await count(service, path) for path in LISTS}
    assert many == few
    if os.environ.get("RESOURCE_WRITE_QUERY_COUNTS"):
        FILE.write_text(json.dumps(few, indent=1) + "\n")
    assert few == json.loads(FILE.read_text())
