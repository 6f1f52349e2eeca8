"""Supervisor: restarts with back-off, ends all, leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controller.loop import Backoff
from controller.process.supervisor import Child, Supervisor
from tests.python.eventually import eventually

QUICK = Backoff(first=0.05, cap=0.2)


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def lives(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(supervisor.run(signals=False))
    try:
        yield task
    finally:
        supervisor.stop()
        await task


async def test_a_dying_child_is_restarted_and_its_exit_told(tmp_path: Path) -> None:
    died: list[tuple[str, int]] = []
    child = Child("flaky", shell(f"echo start >> {tmp_path}/starts; exit 3"))
    steady = Child("steady", shell("exec sleep 1000"))
    supervisor = Supervisor([child, steady], backoff=QUICK, died=lambda one, status: died.append((one.name, status)))
    async with running(supervisor):
        await eventually(lambda: len(died) >= 3)
        assert set(died) == {("flaky", 3)}
        assert supervisor.states["flaky"].last_exit == 3
        assert supervisor.states["steady"].starts == 1
    starts = (tmp_path / "starts").read_text().count("start")
    assert starts == supervisor.states["flaky"].starts >= 3


async def test_a_command_that_does_not_exist_is_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "program"
    supervisor = Supervisor([Child("late", [str(program)])], backoff=QUICK)
    async with running(supervisor):
        await eventually(lambda: supervisor.states["late"].last_exit is not None)
        program.write_text("#!/bin/sh\nexec sleep 1000\n")
        program.chmod(0o755)
        await eventually(lambda: supervisor.states["late"].pid and lives(supervisor.states["late"].pid))


async def test_stop_terms_all_and_kills_who_does_not_listen(tmp_path: Path) -> None:
    stubborn = Child("stubborn", shell("trap '' TERM; echo up; while :; do sleep 0.1; done"), log=tmp_path / "s.log")
    polite = Child("polite", shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"), log=tmp_path / "p.log")
    supervisor = Supervisor([stubborn, polite], grace_seconds=1.0)
    async with running(supervisor):
        await eventually(
            lambda: all((tmp_path / log).exists() and (tmp_path / log).read_text() for log in ("s.log", "p.log"))
        )
    assert supervisor.states["stubborn"].last_exit == -signal.SIGKILL
    assert supervisor.states["polite"].last_exit == 0


async def test_what_a_child_leaves_behind_in_its_group_is_killed(tmp_path: Path) -> None:
    child = Child("parent", shell(f"sleep 1000 & echo $! > {tmp_path}/pid; wait"))
    supervisor = Supervisor([child], backoff=Backoff(first=60, jitter=0))
    async with running(supervisor):
        pid = int(await eventually(lambda: _text(tmp_path / "pid")))
        parent = await eventually(lambda: supervisor.states["parent"].pid)
        assert lives(pid)
        os.kill(parent, signal.SIGKILL)
        await eventually(lambda: not lives(pid))


async def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    program = tmp_path / "up.py"
    program.write_text(
        textwrap.dedent(f"""
            import asyncio
            from controller.process.supervisor import Child, Supervisor
            child = Child("c", ["/bin/sh", "-c", "echo $$ > {tmp_path}/pid; exec sleep 1000"])
            async def main():
                await Supervisor([child]).run()
            asyncio.run(main())
        """)
    )
    supervisor = await asyncio.create_subprocess_exec(sys.executable, str(program))
    try:
        pid = int(await eventually(lambda: _text(tmp_path / "pid")))
        assert lives(pid)
        supervisor.kill()
        await supervisor.wait()
        await eventually(lambda: not lives(pid))
    finally:
        if supervisor.returncode is None:
            supervisor.kill()
            await supervisor.wait()


async def test_sigterm_ends_the_supervisor_and_its_children(tmp_path: Path) -> None:
    child = Child(
        "c",
        shell(
            f"trap 'echo ended > {tmp_path}/ended; exit 0' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done"
        ),
    )
    supervisor = Supervisor([child])
    task = asyncio.create_task(supervisor.run())
    await eventually(lambda: _text(tmp_path / "pid"))
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 60)
    assert (tmp_path / "ended").exists()


def _text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


async def test_nothing_is_started_while_it_may_not(tmp_path: Path) -> None:
    """The keeper of a lab whose folder was deleted started its children again and again, and created the folder."""
    allowed, refused = True, 0

    def may_start() -> bool:
        nonlocal refused
        refused += not allowed
        return allowed

    child = Child("flaky", shell("exit 3"), log=tmp_path / "log/flaky.log")
    supervisor = Supervisor([child], backoff=QUICK, may_start=may_start)
    async with running(supervisor):
        await eventually(lambda: supervisor.states["flaky"].starts >= 2)
        allowed = False
        await eventually(lambda: refused > 0)
        before = supervisor.states["flaky"].starts
        (tmp_path / "log").rename(tmp_path / "away")
        await eventually(lambda: refused > 2)
        assert not (tmp_path / "log").exists()
        assert supervisor.states["flaky"].starts == before
        allowed = True
        await eventually(lambda: supervisor.states["flaky"].starts > before)
