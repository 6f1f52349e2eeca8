"""Measure which lines and branches of the code, and of the unit tests themselves, the unit tests run.

A plugin of pytest, also in the processes of pytest-xdist: ``-p scripts.unit_coverage``. The set-up and the floor are in
``pyproject.toml``. ``python -m scripts.unit_coverage`` puts together what the processes have written (``.coverage.*``)
and fails below the floor; after it, ``python -m coverage report --show-missing`` shows what is not run.

Only tests in MEASURED are measured, so that it costs little: the other tests run code in processes of their own, and
the walks of placement run the same lines hundreds of thousands of times.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "pyproject.toml"
DATA = ROOT / ".coverage"
MEASURED = ROOT / "tests" / "python" / "unit"
UNMEASURED = {MEASURED / "schedule" / "test_churn.py", MEASURED / "schedule" / "test_optimum.py"}


class _UnitCoverage:
    def __init__(self) -> None:
        self._measured = coverage.Coverage(data_file=str(DATA), data_suffix=True, config_file=str(PROJECT))
        self._is_on = False
        self.switch(on=True)  # the modules of tests and of the code are imported next

    def switch(self, *, on: bool) -> None:
        if on != self._is_on:
            (self._measured.start if on else self._measured.stop)()
            self._is_on = on

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Measure the test, with its set-up and its end, if it is one of those that are."""
        self.switch(on=MEASURED in item.path.parents and item.path not in UNMEASURED)
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write what this process has run."""
        self.switch(on=False)
        self._measured.save()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Begin before the first module of the tests is imported, unless this process only distributes tests."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    if not is_worker:
        for old in ROOT.glob(f"{DATA.name}.*"):
            old.unlink()
    if is_worker or not getattr(early_config.known_args_namespace, "numprocesses", None):
        early_config.pluginmanager.register(_UnitCoverage(), "unit-coverage")


def main() -> int:
    """Put together what the processes have written, and print the figure. Return 1 where it is below the floor."""
    measured = coverage.Coverage(data_file=str(DATA), config_file=str(PROJECT))
    measured.combine()
    measured.save()
    total = measured.report(file=io.StringIO())
    floor = measured.get_option("report:fail_under")
    assert isinstance(floor, int | float)
    print(f"unit tests run {total:.1f} % of lines and branches; the floor in pyproject.toml is {floor:g} %")
    return 0 if round(total, 1) >= floor else 1


if __name__ == "__main__":
    sys.exit(main())
