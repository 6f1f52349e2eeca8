"""The inventory plugin against what ansible-core itself takes: 10,000 hosts, ``--list`` and ``--graph``.

The floor is a plugin that adds 10,000 hosts, 15 variables of plain text each, set in one step, and 300 groups (one
for each host) from memory; ``joined`` is the floor with each host in nine of its groups, as many as hosts of ours are
in. ``named`` is ours with ten variables named. ``same`` is ansible-core's own part of our inventory: a plugin that
sets the very hosts, variables and groups of it from a file, with no request and no thought. All run as
``ansible-inventory`` in processes of their own, by turns, and the best of the runs counts: other work on the machine
makes a run slower, never faster.
CPU time is of the client alone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import inventory_site
from benchmarks.figures import Figure
from benchmarks.site import Site, site

HOSTS, VARIABLES, GROUPS, JOINED = 10_000, 15, 300, 9
RUNS = 3
_FLOOR = f'''
from ansible.plugins.inventory import BaseInventoryPlugin
DOCUMENTATION = """
name: floor
short_description: from memory
description: from memory
options:
  plugin:
    description: name
    type: str
"""
class InventoryModule(BaseInventoryPlugin):
    NAME = "floor"
    def verify_file(self, path):
        return path.endswith("floor.yml")
    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        for number in range({GROUPS}):
            inventory.add_group(f"group_{{number}}")
        for number in range({HOSTS}):
            name = f"host-{{number}}.bench"
            inventory.add_host(name, f"group_{{number % {GROUPS}}}")
            if path.endswith("joined.floor.yml"):
                for more in range(1, {JOINED}):
                    inventory.add_child(f"group_{{(number + more * 37) % {GROUPS}}}", name)
            values = {{f"variable_{{each}}": f"value {{number}} {{each}}" for each in range({VARIABLES})}}
            inventory.get_host(name).vars.update(values)
'''

_SAME = '''
import json, os
from ansible.plugins.inventory import BaseInventoryPlugin
DOCUMENTATION = """
name: same
short_description: from a file
description: from a file
options:
  plugin:
    description: name
    type: str
"""
class InventoryModule(BaseInventoryPlugin):
    NAME = "same"
    def verify_file(self, path):
        return path.endswith("same.yml")
    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        folder = os.path.join(os.path.dirname(path), "cache")
        with open(os.path.join(folder, os.listdir(folder)[0])) as file:
            content = json.load(file)["content"]
        for name in content["groups"]:
            inventory.add_group(name)
        for name, group in content["groups"].items():
            for child in group["children"]:
                inventory.add_child(name, child)
        for name, variables in content["hosts"].items():
            inventory.add_host(name)
            inventory.get_host(name).vars.update(variables)
        for name, group in content["groups"].items():
            for host in group["hosts"]:
                inventory.add_host(host, name)
'''
NAMES = ("floor", "joined.floor", "plain", "cold", "warm", "named", "same")


_NAMED = (
    "ansible_host",
    *(f"resource_{word}" for word in ("kind", "name", "state", "cluster", "rack", "rack_position", "service")),
    *("resource_power_domain", "resource_network_domain"),
)


@dataclass(frozen=True)
class Cost:
    """What one run of ansible-inventory took."""

    wall: float
    cpu: float
    rss_mib: float


def run(database: str) -> Iterator[Figure]:
    """Floor, cold and warm, by turns."""
    with site(database) as made:
        inventory_site.fill(made, HOSTS)
        made.start("resource-api")
        sources = _sources(made.folder)
        words = ("--list", "--graph")
        costs: dict[tuple[str, str], list[Cost]] = {}
        for _ in range(RUNS):
            for word in words:
                for name in NAMES:
                    flags = ("--flush-cache",) if name == "cold" else ()
                    source = sources["cached" if name in ("cold", "warm") else name]
                    costs.setdefault((name, word), []).append(_cost(made, source, word, *flags))
        yield from _figures(database, costs)
        yield Figure(
            "inventory: resident memory of resource-api after it", database, made.memory()["resource-api"], "MiB"
        )


def _figures(database: str, costs: Mapping[tuple[str, str], list[Cost]]) -> Iterator[Figure]:
    def best(name: str, word: str, what: str) -> float:
        return min(float(getattr(cost, what)) for cost in costs[name, word])

    for word in ("--list", "--graph"):
        for name in NAMES:
            note = f"{best(name, word, 'wall'):.2f} s on the clock, {best(name, word, 'rss_mib'):.0f} MiB"
            yield Figure(f"inventory {word}, {name}: CPU", database, best(name, word, "cpu"), "s", note=note)
    for what in ("cpu", "wall"):
        floor = best("floor", "--list", what)
        yield Figure(
            f"inventory --list: {what} over the floor", database, best("plain", "--list", what) / floor, "x", 1.25
        )
        named = best("named", "--list", what) / floor
        yield Figure(f"inventory --list: {what} over the floor, ten variables named", database, named, "x", aim=1.25)
        ratio = best("plain", "--list", what) / best("joined.floor", "--list", what)
        yield Figure(f"inventory --list: {what} over the floor with as many groups", database, ratio, "x", aim=1.25)
        ratio = best("plain", "--list", what) / best("same", "--list", what)
        yield Figure(f"inventory --list: {what} over the same from a file", database, ratio, "x", aim=1.25)
        over = best("plain", "--graph", what) - best("floor", "--graph", what)
        yield Figure(f"inventory --graph: {what} over the floor", database, over, "s", aim=2)
    warm = best("warm", "--list", "cpu") / best("plain", "--list", "cpu")
    yield Figure("inventory --list: CPU of a warm cache to none", database, warm, "x", aim=1.0)
    most = max(
        cost.rss_mib
        for (name, _), all_of in costs.items()
        if name in ("plain", "cold", "warm", "named")
        for cost in all_of
    )
    yield Figure("inventory: most resident memory", database, most, "MiB", aim=400)


def _sources(folder: Path) -> dict[str, Path]:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "floor.py").write_text(_FLOOR)
    (folder / "plugins" / "same.py").write_text(_SAME)
    texts = {
        "floor": "plugin: floor\n",
        "joined.floor": "plugin: floor\n",
        "same": "plugin: same\n",
        "plain": "plugin: resource.infra.topology\n",
        "named": f"plugin: resource.infra.topology\nvariables: [{', '.join(_NAMED)}]\n",
        "cached": f"plugin: resource.infra.topology\ncache: true\ncache_connection: {folder}/cache\n",
    }
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text)
    return {name: folder / f"{name}.yml" for name in texts}


def _cost(made: Site, source: Path, *words: str) -> Cost:
    root = Path(__file__).resolve().parent.parent
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "RESOURCE_"))},
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        "ANSIBLE_INVENTORY_PLUGINS": str(made.folder / "plugins"),
        "RESOURCE_SERVER": f"http://127.0.0.1:{made.rest_port}",
        "RESOURCE_TOKEN": made.token,
    }
    program = str(Path(sys.executable).parent / "ansible-inventory")
    report = made.folder / "time"
    words = ("-i", str(source), *words, *(("--output", os.devnull) if "--list" in words else ()))
    measured = (sys.executable, "-c", _MEASURE, str(report), sys.executable, program, *words)
    done = subprocess.run(measured, env=environ, cwd=root, capture_output=True, check=False)
    if done.returncode or b"WARNING" in done.stderr:
        raise RuntimeError(f"ansible-inventory failed: {done.stderr.decode()[-2000:]}")
    figures = [float(word) for word in re.split(r"\s+", report.read_text().strip())]
    return Cost(*figures)


_MEASURE = """
import os, resource, subprocess, sys, time
begin = time.perf_counter()
code = subprocess.call(sys.argv[2:], stdout=subprocess.DEVNULL)
wall = time.perf_counter() - begin
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as file:
    file.write(f"{wall} {used.ru_utime + used.ru_stime} {used.ru_maxrss / 1024}")
sys.exit(code)
"""
