"""Record what a run of pytest showed: each test's outcome and time, and the rows of the design that it is marked with.

A plugin of pytest, also across the processes of pytest-xdist: ``-p scripts.recorder --record FILE``. Marked tests that
were collected but not chosen are in the record too, so that a row can say that its tests did not run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / ".test-record.json"
"""Of the last ``make test`` or ``make test-all``; ``scripts.checks`` writes it."""


@dataclass
class Record:
    """Outcomes of tests and their rows, by node id."""

    outcomes: dict[str, str] = field(default_factory=dict)
    """``passed``, ``failed`` or ``skipped``."""
    errors: dict[str, str] = field(default_factory=dict)
    """The first line of what each failed test, or file that cannot be imported, says."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Setup, call and teardown together."""
    rows: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Rows of each marked test, each with the reasons why it is shown in part only."""

    def add(self, other: Record) -> None:
        """Add the record of another run; no test is in both."""
        for name, mine in vars(self).items():
            mine.update(getattr(other, name))

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; ``Record(**...)`` reads it again."""
        return asdict(self)


class Recorder:
    """The plugin. ``only_marked`` leaves out all tests that show no row."""

    def __init__(self, path: Path | None = None, *, only_marked: bool = False) -> None:
        self.record = Record()
        self._path = path
        self._only_marked = only_marked
        self._seconds: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the marks of all tests, before any is deselected."""
        for item in items:
            if rows := _rows_of(item):
                self.record.rows[item.nodeid] = rows
        if self._only_marked:
            items[:] = [item for item in items if item.nodeid in self.record.rows]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be imported."""
        if report.failed:
            self._fail(report.nodeid, report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a phase of a test ended."""
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._fail(report.nodeid, report)
        elif report.skipped:
            self.record.outcomes.setdefault(report.nodeid, "skipped")
        elif report.when == "call":
            self.record.outcomes.setdefault(report.nodeid, "passed")

    def _fail(self, name: str, report: pytest.TestReport | pytest.CollectReport) -> None:
        self.record.outcomes[name] = "failed"
        crash = getattr(report.longrepr, "reprcrash", None)
        text = (
            crash.message
            if crash is not None
            else str(report.longrepr).strip().rpartition("\n")[2].removeprefix("E ").strip()
        )
        self.record.errors.setdefault(name, text.partition("\n")[0])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over the marks that a process of pytest-xdist has read."""
        self.record.rows.update(getattr(node, "workeroutput", {}).get("rows", {}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the record; a process of pytest-xdist hands its marks over instead."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["rows"] = self.record.rows
        elif self._path is not None:
            self.record.seconds = {name: round(seconds, 3) for name, seconds in self._seconds.items()}
            self._path.write_text(json.dumps(self.record.as_dict()), encoding="utf-8")


def _rows_of(item: pytest.Item) -> dict[str, list[str]]:
    """Return the test's rows; ``partial("why", "A6")`` is about A6 only, ``partial("why")`` about all of them."""
    found: dict[str, list[str]] = {str(row): [] for mark in item.iter_markers("design") for row in mark.args}
    for mark in item.iter_markers("partial"):
        reason, *only = mark.args
        for row in only or list(found):
            found[str(row)].append(str(reason))
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--record``."""
    parser.addoption("--record", type=Path, help="file to write the run's record to")


def pytest_configure(config: pytest.Config) -> None:
    """Record when asked to."""
    path = config.getoption("--record")
    if path is not None:
        config.pluginmanager.register(Recorder(path), "recorder")
