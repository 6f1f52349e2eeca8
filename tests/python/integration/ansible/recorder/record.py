"""A callback plugin that notes what each task of a play really did: its result, and whether the database was written.

It looks at the database itself, so that what a task says of itself is not taken on trust. The version of the database
grows with every write of a resource; the play must be the only writer while it runs.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase  # type: ignore[import-untyped]

DOCUMENTATION = """
name: record
type: aggregate
short_description: Notes what each task did
description: For tests.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """One line of JSON for each task, in the file ``RECORD_FILE``; ``RECORD_DATABASE`` is the API's."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        self._file = Path(os.environ["RECORD_FILE"])
        self._database = sqlite3.connect(f"file:{os.environ['RECORD_DATABASE']}?mode=ro", uri=True)
        self._before = 0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """The database as the task finds it."""
        self._before = self._head()

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task that went well."""
        self._note(result.task, result.result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task that failed."""
        self._note(result.task, result.result)

    def _note(self, task: Any, result: Mapping[str, Any]) -> None:
        line = {
            "module": task.action.rpartition(".")[2],
            "name": task.name,
            "check": bool(task.check_mode),
            "changed": bool(result.get("changed")),
            "failed": bool(result.get("failed")),
            "wrote": self._head() != self._before,
        }
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _head(self) -> int:
        (value,) = self._database.execute("SELECT value FROM counter WHERE name = 'resource_version'").fetchone()
        return int(value)
