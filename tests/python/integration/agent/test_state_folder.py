"""An agent whose state folder is not its own any more stops acting, says so, and goes on when it is back.

It went on, created the folder again on the host's own disk, wrote there, and could not start again later.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.agent import state_identity
from controller.agent.assignments import Assignments
from controller.agent.drivers.memory import FolderHypervisors, MemoryDriver, MemoryHypervisors
from controller.lab.mounts import unmount_below
from tests.python.eventually import eventually
from tests.python.integration.agent.api import Site
from tests.python.integration.agent.test_process import AgentProcess, agents
from tests.python.integration.agent.test_session import running_agent
from tests.python.unit.agent.bench import item

IDLE = "nothing is started, moved or removed until it is back"


@dataclass
class Disk:
    """A state folder on a file system of its own: ``disk`` is mounted on ``state``."""

    disk: Path
    state: Path

    def run(self, *command: str | Path) -> None:
        subprocess.run([str(word) for word in command], check=True)

    def mount(self) -> None:
        self.run("mount", "--bind", self.disk, self.state)

    def unmount(self) -> None:
        self.run("umount", "-l", self.state)

    def make_read_only(self) -> None:
        self.run("mount", "-o", "remount,bind,ro", self.state)

    def make_writable(self) -> None:
        self.run("mount", "-o", "remount,bind,rw", self.state)

    def below(self) -> list[str]:
        """Return what is in the host's own folder at the path."""
        self.unmount()
        try:
            return sorted(path.name for path in self.state.iterdir())
        finally:
            self.mount()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    made = Disk(tmp_path / "disk", tmp_path / "state")
    for folder in (made.disk, made.state):
        folder.mkdir()
    made.mount()
    try:
        yield made
    finally:
        unmount_below(made.state)


def rename(state: Path) -> None:
    state.rename(state.with_name("away"))


def rename_back(state: Path) -> None:
    with suppress(FileNotFoundError):
        state.rename(state.with_name("other"))
    state.with_name("away").rename(state)


def replace_with_empty(state: Path) -> None:
    rename(state)
    state.mkdir()


def replace_with_anothers(state: Path) -> None:
    rename(state)
    state_identity.claim([state], "server7", "tokyo1")


def last_beat(site: Site) -> str:
    beats = site.api.messages("server0", "heartbeat")
    return str(beats[-1].message) if beats else "none yet"


@pytest.mark.design("A6")
@pytest.mark.parametrize(
    ("take", "says"),
    [
        (rename, "does not exist"),
        (replace_with_empty, "is not the state of node server0: it has no node-identity (is it mounted?)"),
        (replace_with_anothers, "is the state of node server7 of cluster tokyo1"),
    ],
)
async def test_without_its_folder_it_does_nothing_and_says_so(
    site: Site, tmp_path: Path, take: Callable[[Path], None], says: str
) -> None:
    state, world = tmp_path / "state", MemoryHypervisors()
    async with running_agent(site, MemoryDriver("memory:server0", world), state=state):
        site.api.assign("server0", item("u0"), item("u1", index=1))
        await eventually(lambda: len(world.read("memory:server0").running()) == 2)
        take(state)
        await eventually(lambda: last_beat(site) == f"the state folder {state} {says}; {IDLE}")
        before = sorted(state.iterdir()) if state.exists() else None
        # One to start, one to remove, one that crashed: none of it is done.
        site.api.assign("server0", item("u1", index=1, role="Leaving"), item("u2", index=2), item("u0"))
        world.crash("memory:server0", "u0")
        await eventually(lambda: says in site.api.resource("server0", "u0").status_reason)
        assert sorted(world.read("memory:server0").machines) == ["u0", "u1"]
        assert world.running("u1") == ["memory:server0"]
        assert (sorted(state.iterdir()) if state.exists() else None) == before, "nothing was written"
        rename_back(state)
        await eventually(lambda: world.running("u0") and world.running("u2"))
        await eventually(lambda: "u1" not in world.read("memory:server0").machines)
        await eventually(lambda: last_beat(site) == "")
        assert len(site.api.messages("server0", "hello")) == 1, "the session went on"
    kept = Assignments(state)
    kept.load(kept.read())
    assert sorted(kept.uids()) == ["u0", "u1", "u2"]


@pytest.mark.parametrize(
    ("take", "give", "says"),
    [
        (Disk.unmount, Disk.mount, "has no node-identity (is it mounted?)"),
        (Disk.make_read_only, Disk.make_writable, "is read-only"),
    ],
)
async def test_without_its_disk_it_does_nothing_and_never_writes_to_the_hosts(
    site: Site, disk: Disk, take: Callable[[Disk], None], give: Callable[[Disk], None], says: str
) -> None:
    world = MemoryHypervisors()
    async with running_agent(site, MemoryDriver("memory:server0", world), state=disk.state):
        site.api.assign("server0", item("u0"))
        await eventually(lambda: world.running("u0"))
        take(disk)
        await eventually(lambda: says in last_beat(site))
        site.api.assign("server0", item("u0"), item("u1", index=1))
        seen = len(site.api.messages("server0", "heartbeat"))
        await eventually(lambda: len(site.api.messages("server0", "heartbeat")) > seen + 10)
        assert world.running("u1") == []
        give(disk)
        await eventually(lambda: world.running("u1"))
        await eventually(lambda: last_beat(site) == "")
    assert disk.below() == []


async def test_one_that_starts_with_anothers_state_says_so_and_reports_nothing(site: Site, tmp_path: Path) -> None:
    state, world = tmp_path / "state", MemoryHypervisors()
    async with running_agent(site, MemoryDriver("memory:server0", world), state=state):
        site.api.assign("server0", item("u0"))
        await eventually(lambda: world.running("u0"))
    replace_with_anothers(state)
    world.crash("memory:server0", "u0")
    site.api.sent.clear()
    async with running_agent(site, MemoryDriver("memory:server0", world), state=state):
        await eventually(lambda: "server7" in last_beat(site))
        assert site.api.messages("server0", "report") == [], "an empty report would mean that there are no machines"
        assert world.running("u0") == []
        assert [path.name for path in state.iterdir()] == [state_identity.FILE]
        rename_back(state)
        await eventually(lambda: world.running("u0"))
        await eventually(lambda: site.api.resource("server0", "u0").status == "Active")
        await eventually(lambda: last_beat(site) == "")


async def reasons(agent: AgentProcess) -> dict[str, str]:
    answer = await agent.page("/readyz")
    found: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])["reasons"]
    return found


@pytest.mark.design("A9")
async def test_the_process_is_not_ready_and_logs_it_once(site: Site) -> None:
    world = FolderHypervisors(site.path / "world")
    async with agents(site, "server0") as (agent,):
        site.api.assign("server0", item("u0"))
        await eventually(lambda: world.running("u0"))
        await eventually(agent.ready)
        state = agent.folder / "state"
        rename(state)

        async def is_told() -> bool:
            return (await reasons(agent)).get("state") == f"the state folder {state} does not exist; {IDLE}"

        await eventually(is_told)
        log = agent.folder / "log"
        assert log.read_text().count("the node's state is away") == 1
        # What a restart finds: the certificate shows that there was state, so this is no first start.
        await agent.end()
        await agent.start()

        async def is_told_again() -> bool:
            return "is not the state of node server0 of cluster tokyo1" in (await reasons(agent)).get("state", "")

        await eventually(is_told_again)
        assert not state.exists()
        rename_back(state)
        await eventually(agent.ready)
        assert "the node's state is its own again" in log.read_text()
    assert world.read("memory:server0").machines["u0"].boots == 1
