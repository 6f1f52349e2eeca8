"""Run checks and tests, all of them also where one fails, and name all failures at the end.

``python -m scripts.checks GROUP... [-- OPTIONS OF PYTEST]`` with the groups ``lint``, ``collection``, ``tests`` and
``tests-all``. Exits with 1 when anything failed. A run of tests is recorded in ``.test-record.json``, which
``make rows`` reads.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.recorder import RECORD, ROOT, Record
from scripts.steps import Done, Step, run

PYTHON = [sys.executable, "-m"]
TESTS = Path("tests/python")
# Tests that make namespaces, mounts and virtual machines share one process, since they look at all that is left of them
# on the machine; the others share three processes, each file on one of them. All four run at the same time, with the
# checks before the machines: machines boot slowly and wait for the network, and other tests wait for processes, so that
# two processors are busy only with more than two of them.
# The files keep their order, which ends with the short unit tests: by number of tests, as pytest-xdist would have it,
# files with one long test come last, and the other processes wait for one.
MACHINES = [
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
SHARED = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder", *(f"--ignore={path}" for path in MACHINES)]
KEPT = ["-o", "tmp_path_retention_policy=failed", "-o", "tmp_path_retention_count=1"]
"""What stays of the tests' folders: those of the last run's failures."""
NOT_SLOW = ["-m", "not slow"]
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder there that is the user's alone
ROOM = 4 << 30
"""Bytes that must be free there, with much to spare: folders of tests that have passed are removed at once."""
LONG = ["--timeout", "3600"]
SCHEMATHESIS = {"RESOURCE_SCHEMATHESIS_EXAMPLES": "92", "RESOURCE_SCHEMATHESIS_LEAST": "20000"}
BESIDE = 1
"""The lane of what runs beside the tests in three processes."""


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
            found = [Step(name, [*PYTHON, *command], lane=BESIDE) for name, command in tools.items()]
            linter = str(Path(sys.executable).parent / "lint-imports")
            return [*found, Step("import-linter", [linter], lane=BESIDE)]
        case "collection":
            command = ["scripts/collection-checks.sh", *os.environ.get("CHECKS", "").split()]
            return [Step("collection", command, lane=BESIDE)]
        case "tests":
            return _halves([*NOT_SLOW, *options], bool(options))
        case "tests-all":
            return _halves([*LONG, *options], bool(options), SCHEMATHESIS)
    raise SystemExit(f"unknown group: {group}")


def _halves(options: Sequence[str], chosen: bool, environ: Mapping[str, str] | None = None) -> list[Step]:
    def half(name: str, where: Sequence[str], lane: int = 0) -> Step:
        command = [*PYTHON, "pytest", *where, *options]
        more = {} if lane == BESIDE else _folders()
        return Step(name, command, {**(environ or {}), **more}, is_pytest=True, may_be_empty=chosen, lane=lane)

    machines = half("tests of machines", MACHINES, BESIDE)
    shared = [*SHARED, *KEPT]
    if chosen:  # some of the tests: they say nothing of the rest
        return [half("tests in three processes", shared), machines]
    return [
        half("tests in three processes", [*shared, "-p", "scripts.unit_coverage"]),
        Step("coverage", [*PYTHON, "scripts.unit_coverage"], has_result=True),
        machines,
    ]


def _folders() -> dict[str, str]:
    """Return the environment that puts folders of tests into memory where it has room: SQLite waits for the disk."""
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    return {"PYTEST_DEBUG_TEMPROOT": str(MEMORY)} if has_room else {}


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
    options_of_run = [*groups, *options]

    def ended(done: Sequence[Done]) -> None:
        """After each half: a run that is cut short leaves what it knows."""
        if any(each.step.is_pytest for each in done):
            save([each for each in done if each.step.is_pytest], options_of_run)

    done = run([step for group in groups for step in steps(group, options)], ended)
    print("\n".join(summary(done)), flush=True)
    return 1 if any(each.has_failed for each in done) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
