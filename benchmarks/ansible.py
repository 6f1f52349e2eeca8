"""The collection by real plays: looped tasks, and many documents in one task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import documents
from benchmarks.figures import Figure
from benchmarks.site import site

ROOT = Path(__file__).resolve().parents[1]
RACKS: list[dict[str, Any]] = [
    {"resource.infra.floor": {"datacenter": documents.DATACENTER, "name": "loop"}},
    {
        "resource.infra.rack": {"datacenter": documents.DATACENTER, "name": "loop-{{ item }}", "floor": "loop"},
        "loop": list(range(100)),
    },
]


def run(database: str) -> Iterator[Figure]:
    """100 looped racks; an apply of 1,000 and of 10,000 documents, from a file and from a variable."""
    with site(database) as made, tempfile.TemporaryDirectory() as folder:
        with made.start("resource-api").client() as client:
            client.apply(documents.site(made.cluster_endpoint))
        play = Play(Path(folder), {"RESOURCE_SERVER": made.url, "RESOURCE_TOKEN": made.token})
        yield Figure("ansible: an empty play", database, play.seconds([]), "s")
        yield Figure("ansible: 100 looped rack tasks", database, play.seconds(RACKS), "s", aim=3)
        yield Figure("ansible: the same again, nothing to change", database, play.seconds(RACKS), "s")
        for count, aim in ((1_000, 3), (10_000, 20)):
            wanted = documents.physical_resources(count)
            (Path(folder) / f"{count}.json").write_text(json.dumps(wanted))
            tasks = [{"resource.infra.apply": {"src": [f"{count}.json"]}}]
            yield Figure(f"ansible: apply of {count:,} documents", database, play.seconds(tasks), "s", aim=aim)
            again = play.seconds(tasks, "--check", "--diff")
            yield Figure(f"ansible: check of the same {count:,} again", database, again, "s")
        given = [{"resource.infra.apply": {"documents": wanted}}]
        yield Figure("ansible: the 10,000 as a variable of the play, again", database, play.seconds(given), "s")


class Play:
    """Runs plays with what a site's user has set."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._folder = folder
        self._environ = {**os.environ, **environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}

    def seconds(self, tasks: list[dict[str, Any]], *options: str) -> float:
        """How long a play of these tasks takes, the start of ansible-playbook included."""
        path = self._folder / "play.yml"
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(path), *options]
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env=self._environ, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begin
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return seconds
