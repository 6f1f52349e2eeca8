"""``python -m benchmarks [NAME...] [--database sqlite|postgresql]``: run, then print one table."""

from __future__ import annotations

import argparse
import importlib
import platform
import sys

from benchmarks import postgresql
from benchmarks.figures import Figure, table

BENCHMARKS = {
    "rest": "benchmarks.rest",
    "service": "benchmarks.service",
    "agents": "benchmarks.agents",
    "schedule": "benchmarks.schedule",
    "packing": "benchmarks.packing",
    "placements": "benchmarks.placements",
    "ansible": "benchmarks.ansible",
    "security-groups": "benchmarks.security_groups",
    "inventory": "benchmarks.inventory",
    "netbox": "benchmarks.netbox",
    "watches": "benchmarks.watches",
}
PURE = frozenset({"schedule", "packing", "security-groups"})
"""Those that need no database."""


def main(arguments: list[str]) -> int:
    """Run what was asked for; 1 when an aim is missed."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)} (all)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append", help="both, by default")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    databases = given.database or ["sqlite", *(["postgresql"] if postgresql.available() else [])]
    figures: list[Figure] = []
    for name in given.names or BENCHMARKS:
        for database in ("-",) if name in PURE else databases:
            for figure in importlib.import_module(BENCHMARKS[name]).run(database):
                print(f"{figure.name} ({figure.database}): {figure.value:.3g} {figure.unit}", file=sys.stderr)
                figures.append(figure)
    print("\n".join(table(figures)))
    print(f"\nPython {platform.python_version()}, {platform.machine()}, {_cpus()} cpus")
    return 1 if any(figure.verdict == "MISSED" for figure in figures) else 0


def _cpus() -> int:
    import os

    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
