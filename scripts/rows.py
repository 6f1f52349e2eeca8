"""Print each row of docs/rows.md with the tests that show it: ``make rows``.

Runs the marked tests (all of them, or with ``--collect`` none: then tests are listed as found) and
tells for each row: the tests that passed, *partial* with the reason of a ``partial`` marker, *failing*,
or *not yet*. A row counts as shown only while none of its tests fails. Exits with 1 when a test
fails or names a row that the table does not have. Further arguments go to pytest.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "rows.md"


@dataclass
class Evidence:
    """What the tests say of one row."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)

    def word(self) -> str:
        """The verdict."""
        if self.failed:
            return "failing"
        if not self.passed:
            return "not yet" if not self.skipped else "not run"
        return "partial" if self.partial else "shown"


def rows(text: str | None = None) -> dict[str, str]:
    """Id to short text, in order."""
    text = TABLE.read_text(encoding="utf-8") if text is None else text
    return dict(re.findall(r"^\| ([A-Z]\d+) \| (.+) \|$", text, flags=re.MULTILINE))


class Collector:
    """A pytest plugin that notes markers and outcomes."""

    def __init__(self, *, run: bool) -> None:
        self.run = run
        self.evidence: dict[str, Evidence] = defaultdict(Evidence)
        self._marks: dict[str, dict[str, list[str]]] = {}
        """Test to its rows, each with the reasons why it is shown in part only."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the marked tests only."""
        marked = [item for item in items if item.get_closest_marker("design")]
        for item in marked:
            self._marks[item.nodeid] = _rows_of(item)
            if not self.run:
                self._note(item.nodeid, "skipped")
        items[:] = marked

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test ended."""
        if report.failed:
            self._note(report.nodeid, "failed")
        elif report.skipped:
            self._note(report.nodeid, "skipped")
        elif report.when == "call":
            self._note(report.nodeid, "passed")

    def _note(self, test: str, outcome: str) -> None:
        for row, reasons in self._marks.get(test, {}).items():
            getattr(self.evidence[row], outcome).append(test)
            self.evidence[row].partial.extend(reasons)


def _rows_of(item: pytest.Item) -> dict[str, list[str]]:
    """The test's rows; ``partial("why", "A6")`` is about A6 only, ``partial("why")`` about all of them."""
    found: dict[str, list[str]] = {str(row): [] for mark in item.iter_markers("design") for row in mark.args}
    for mark in item.iter_markers("partial"):
        reason, *only = mark.args
        for row in only or list(found):
            found[str(row)].append(str(reason))
    return found


def report(table: dict[str, str], evidence: dict[str, Evidence], *, tests: bool = True) -> list[str]:
    """The lines to print."""
    lines: list[str] = []
    for row, what in table.items():
        found = evidence.get(row, Evidence())
        lines.append(f"{row:4} {found.word():8} {what}")
        lines += [f"       partial: {reason}" for reason in sorted(set(found.partial))]
        if tests:
            lines += [f"       failed:  {test}" for test in found.failed]
            lines += [f"       {name}" for name in _grouped(found.passed)]
            lines += [f"       not run: {name}" for name in _grouped(found.skipped)]
    counts = [evidence.get(row, Evidence()).word() for row in table]
    lines.append(
        ", ".join(f"{counts.count(word)} {word}" for word in ("shown", "partial", "failing", "not run", "not yet"))
    )
    return lines


def _grouped(tests: list[str]) -> list[str]:
    """Tests without their parameters, with how many cases there are."""
    cases: dict[str, int] = defaultdict(int)
    for test in tests:
        cases[test.partition("[")[0]] += 1
    return [name if count == 1 else f"{name} ({count} cases)" for name, count in cases.items()]


def main(arguments: list[str]) -> int:
    """Run, print, and say with the exit code whether it is all right."""
    collect = "--collect" in arguments
    brief = "--brief" in arguments
    rest = [argument for argument in arguments if argument not in ("--collect", "--brief")]
    collector = Collector(run=not collect)
    options = ["-q", "--no-header", *(["--collect-only"] if collect else []), *rest]
    code = pytest.main(options, plugins=[collector])
    table = rows()
    unknown = sorted(set(collector.evidence) - set(table))
    print("\n".join(report(table, collector.evidence, tests=not brief)))
    for row in unknown:
        print(f"no such row: {row}", file=sys.stderr)
    return 1 if unknown or code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
