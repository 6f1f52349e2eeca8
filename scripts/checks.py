"""Run checks and tests one after the other, all of them also where one fails, and name all failures at the end.

``python -m scripts.checks GROUP... [-- OPTIONS OF PYTEST]`` with the groups ``lint``, ``collection``, ``tests`` and
``tests-all``. Exits with 1 when anything failed. A run of tests is recorded in ``.test-record.json``, which
``make rows`` reads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.recorder import RECORD, ROOT, Record

PYTHON = [sys.executable, "-m"]
TESTS = Path("tests/python")
# Tests that make namespaces, mounts and virtual machines run alone, since they look at all that is left on the
# machine; the others share two processes, each file on one of them. The files keep their order, which ends with the
# short unit tests: by number of tests, as pytest-xdist would have it, files with one long test come last, and one of
# the processes waits for the other.
ALONE = [
    str(TESTS / name)
    for name in (
        "contract/drivers",
        "end_to_end/vm",
        "integration/agent_libvirt",
        "integration/hostnet",
        "integration/images",
        "integration/lab",
    )
]
SHARED = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", *(f"--ignore={path}" for path in ALONE)]
NOT_SLOW = ["-m", "not slow"]
LONG = ["--timeout", "3600"]
SCHEMATHESIS = {"RESOURCE_SCHEMATHESIS_EXAMPLES": "92", "RESOURCE_SCHEMATHESIS_LEAST": "20000"}
NONE_CHOSEN = 5
"""Exit code of pytest where it has no test to run."""


@dataclass
class Step:
    """A command with the name that the summary gives it."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    is_pytest: bool = False
    may_be_empty: bool = False
    """Whether it is all right that no test was chosen."""
    has_result: bool = False
    """Whether the last line of its output is a result that the summary tells."""


@dataclass
class Done:
    """A step that has run."""

    step: Step
    code: int
    seconds: float
    record: Record = field(default_factory=Record)
    result: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether the step shows that something is wrong."""
        return self.code != 0 and not (self.code == NONE_CHOSEN and self.step.may_be_empty)


def steps(group: str, options: Sequence[str] = ()) -> list[Step]:
    """Return the steps of a group; ``options`` go to pytest."""
    match group:
        case "lint":
            tools = {
                "ruff check": ["ruff", "check", "."],
                "ruff format": ["ruff", "format", "--check", "."],
                "mypy": ["mypy"],
                "dead code": ["scripts.dead_code"],
            }
            found = [Step(name, [*PYTHON, *command]) for name, command in tools.items()]
            return [*found, Step("import-linter", [str(Path(sys.executable).parent / "lint-imports")])]
        case "collection":
            return [Step("collection", ["scripts/collection-checks.sh", *os.environ.get("CHECKS", "").split()])]
        case "tests":
            return _halves([*NOT_SLOW, *options], bool(options))
        case "tests-all":
            return _halves([*LONG, *options], bool(options), SCHEMATHESIS)
    raise SystemExit(f"unknown group: {group}")


def _halves(options: Sequence[str], chosen: bool, environ: Mapping[str, str] | None = None) -> list[Step]:
    def half(name: str, where: Sequence[str]) -> Step:
        command = [*PYTHON, "pytest", *where, *options]
        return Step(name, command, environ or {}, is_pytest=True, may_be_empty=chosen)

    alone = half("tests alone", ALONE)
    if chosen:  # some of the tests: they say nothing of the rest
        return [half("tests in two processes", SHARED), alone]
    return [
        half("tests in two processes", [*SHARED, "-p", "scripts.unit_coverage"]),
        Step("coverage", [*PYTHON, "scripts.unit_coverage"], has_result=True),
        alone,
    ]


def run(step: Step) -> Done:
    """Run a step; its output goes to the terminal."""
    print(f"--- {step.name}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "record.json"
        more = ["-p", "scripts.recorder", "--record", str(file)] if step.is_pytest else []
        environ = {**os.environ, **step.environ}
        if step.is_pytest:  # hundreds of processes start: each would compile the project again
            environ["PYTHONDONTWRITEBYTECODE"] = ""
        pipe = subprocess.PIPE if step.has_result else None
        ended = subprocess.run([*step.command, *more], cwd=ROOT, env=environ, stdout=pipe, text=True, check=False)
        record = Record(**json.loads(file.read_text())) if file.exists() else Record()
    result = ended.stdout.strip() if step.has_result else ""
    if result:
        print(result, flush=True)
    return Done(step, ended.returncode, time.monotonic() - began, record, result.rpartition("\n")[2])


def summary(done: Sequence[Done]) -> list[str]:
    """Return the lines that end a run: each step, and each test that failed with what it says."""
    lines = ["--- summary"]
    for each in done:
        word = f"failed (exit code {each.code})" if each.has_failed else "passed"
        lines.append(f"{each.step.name}: {word}, {each.seconds:.0f} s" + (f"; {each.result}" if each.result else ""))
        lines += [f"  {test}: {error}" for test, error in each.record.errors.items()]
    return lines


def save(done: Sequence[Done], options: Sequence[str], path: Path = RECORD) -> None:
    """Write the record of a run of tests, with the commit, the date and the options."""
    record = Record()
    for each in done:
        record.add(each.record)
    about: dict[str, Any] = {
        "commit": _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": list(options),
        "steps": {each.step.name: {"code": each.code, "seconds": round(each.seconds, 1)} for each in done},
    }
    path.write_text(json.dumps({**about, "tests": record.as_dict()}, indent=1), encoding="utf-8")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main(arguments: Sequence[str]) -> int:
    """Run the groups and return the exit code."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    groups, options = arguments[:split], arguments[split + 1 :]
    done: list[Done] = []
    for step in [step for group in groups for step in steps(group, options)]:
        done.append(run(step))
        if step.is_pytest:  # after each half: a run that is cut short leaves what it knows
            save([each for each in done if each.step.is_pytest], [*groups, *options])
    print("\n".join(summary(done)), flush=True)
    return 1 if any(each.has_failed for each in done) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
