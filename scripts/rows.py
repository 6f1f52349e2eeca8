"""Print each row of docs/rows.md with the tests that show it: ``make rows``.

Reads the record of the last run of tests and says which run it was. With ``--run`` it runs all marked tests itself
(further arguments go to pytest); with ``--collect`` it runs none and lists the tests as found. Shows for each row:
the tests that passed, *partial* with the reason of a ``partial`` marker, *failing*, *not run* or *not yet*. A row
counts as shown only while none of its tests fails. Exits with 1 when a test of the run failed, when a test names a
row that the table does not have, or when no run is recorded.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.recorder import RECORD, ROOT, Record, Recorder

TABLE = ROOT / "docs" / "rows.md"


@dataclass
class Evidence:
    """What the tests say of one row."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)

    def word(self) -> str:
        """Return the verdict."""
        if self.failed:
            return "failing"
        if not self.passed:
            return "not yet" if not self.skipped else "not run"
        return "partial" if self.partial else "shown"


def rows(text: str | None = None) -> dict[str, str]:
    """Return the short text of each row by id, in order."""
    text = TABLE.read_text(encoding="utf-8") if text is None else text
    return dict(re.findall(r"^\| ([A-Z]\d+) \| (.+) \|$", text, flags=re.MULTILINE))


def evidence(record: Record) -> dict[str, Evidence]:
    """Return what a record says of each row that it names; a marked test without an outcome did not run."""
    found: dict[str, Evidence] = defaultdict(Evidence)
    for test, marks in record.rows.items():
        for row, reasons in marks.items():
            getattr(found[row], record.outcomes.get(test, "skipped")).append(test)
            found[row].partial.extend(reasons)
    return found


def report(table: dict[str, str], evidence: dict[str, Evidence], *, tests: bool = True) -> list[str]:
    """Return the lines to print."""
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
    """Return the tests without their parameters, with how many cases there are."""
    cases: dict[str, int] = defaultdict(int)
    for test in tests:
        cases[test.partition("[")[0]] += 1
    return [name if count == 1 else f"{name} ({count} cases)" for name, count in cases.items()]


def recorded(path: Path) -> tuple[str, Record]:
    """Read the last run: what run it was, and its record; raises FileNotFoundError when no run is recorded."""
    data = json.loads(path.read_text(encoding="utf-8"))
    steps = ", ".join(f"{name} (exit code {step['code']})" for name, step in data["steps"].items())
    about = f"From the run of {data['date']} at commit {data['commit']}: {' '.join(data['options'])}; {steps}"
    return about, Record(**data["tests"])


def performed(options: Sequence[str], *, collect: bool) -> Record:
    """Run all marked tests, or only collect them."""
    import pytest  # not needed for the record, and slow to import

    recorder = Recorder(only_marked=True)
    code = pytest.main(["-q", "--no-header", *(["--collect-only"] if collect else []), *options], plugins=[recorder])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) and not recorder.record.errors:
        recorder.record.errors["pytest"] = f"exit code {int(code)}"
    return recorder.record


def main(arguments: list[str]) -> int:
    """Print the table and return the exit code."""
    own = ("--collect", "--run", "--brief")
    rest = [argument for argument in arguments if argument not in own]
    if "--run" in arguments or "--collect" in arguments:
        about, record = "", performed(rest, collect="--collect" in arguments)
    else:
        try:
            about, record = recorded(Path(rest[0]) if rest else RECORD)
        except FileNotFoundError as error:
            print(f"no run is recorded ({error.filename}): run `make test`", file=sys.stderr)
            return 1
    table, found = rows(), evidence(record)
    unknown = sorted(set(found) - set(table))
    print("\n".join([*report(table, found, tests="--brief" not in arguments), *([about] if about else [])]))
    for row in unknown:
        print(f"no such row: {row}", file=sys.stderr)
    return 1 if unknown or record.errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
