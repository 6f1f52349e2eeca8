"""Runs a lab's control plane in the background, and restarts its processes and daemons when they end.

``python -m controller.lab.keeper STATE``, where STATE is the lab's folder. It locks its pid file
while it runs: so a lab has one keeper, and the lock shows whether it runs even after a SIGKILL.
SIGTERM ends it and its children; virtual machines stay as they are.

While the lab's folder is not the one that the keeper was started on (its locked pid file is not there), nothing is
started: a child would create the folder again, or start on another lab's.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog

from controller.errors import ResourceError, TimedOut
from controller.lab import namespaces
from controller.lab.lab import Lab
from controller.lab.plane import ControlPlane, load_settings
from controller.lab.settings import MARKER
from controller.process.logs import configure_logs
from controller.process.supervisor import Supervisor

DAEMON_CHECK_SECONDS = 1.0
"""Between two checks of the lab's daemons."""

START_SECONDS = 30.0

TOKEN_CHECK_SECONDS = 0.2
"""Between two checks whether the nodes have join tokens."""

_log = structlog.get_logger("lab")


def pid_file(state: Path) -> Path:
    """Return the file with the process id of a lab's keeper."""
    return state / "keeper.pid"


def log_file(state: Path) -> Path:
    """Return the log file of the keeper and its children."""
    return state / "log" / "keeper.log"


def running(state: Path) -> int | None:
    """Return the keeper's process id while it runs."""
    try:
        with pid_file(state).open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0)
    except FileNotFoundError:
        return None
    return None


def start(lab: Lab) -> None:
    """Start the keeper of a lab in the background, unless it runs. Raises TimedOut when it does not start."""
    state = lab.settings.state
    if running(state) is not None:
        return
    log = log_file(state)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        # A child of init, so that it outlives this process, which does not have to wait for its end.
        subprocess.run(
            ["setsid", "--fork", sys.executable, "-m", "controller.lab.keeper", str(state)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**os.environ, MARKER: lab.settings.id},
            check=True,
        )
    limit = time.monotonic() + START_SECONDS
    while running(state) is None:
        if time.monotonic() > limit:
            raise TimedOut(f"the lab's keeper does not start; see {log}")
        time.sleep(0.05)


def stop(lab: Lab, *, deadline: float = 20) -> None:
    """Ask the keeper to end its children and itself; the caller must kill what is left after ``deadline`` seconds."""
    limit = time.monotonic() + deadline
    asked = None
    while (pid := running(lab.settings.state)) is not None and time.monotonic() < limit:
        if pid and pid != asked:
            namespaces.signal_quietly(pid, signal.SIGTERM)
            asked = pid
        time.sleep(0.05)


async def keep(lab: Lab, has_state: Callable[[], bool]) -> None:
    """Run the control plane and restart the lab's daemons, until SIGTERM; start nothing unless ``has_state``."""
    plane = ControlPlane(lab)
    control = Supervisor(plane.control_children(), may_start=has_state)
    agents = Supervisor(plane.agent_children(), may_start=has_state)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(control.run(signals=False))
        tasks.create_task(_run_agents(plane, agents, ended))
        tasks.create_task(_restart_daemons(lab, has_state, ended))
        await ended.wait()
        agents.stop()
        control.stop()


async def _run_agents(plane: ControlPlane, agents: Supervisor, ended: asyncio.Event) -> None:
    """Start the agents once there are join tokens for them; later starts of the lab find certificates."""
    while not all(plane.may_join(node) for node in plane.lab.nodes):
        if await _ends_within(ended, TOKEN_CHECK_SECONDS):
            return
    await agents.run(signals=False)


async def _restart_daemons(lab: Lab, has_state: Callable[[], bool], ended: asyncio.Event) -> None:
    had = True
    while not await _ends_within(ended, DAEMON_CHECK_SECONDS):
        has = has_state()
        if has != had:
            where = str(lab.settings.state)
            _log.warning(
                "the lab's folder is back" if has else "the lab's folder is away: nothing is started", at=where
            )
            had = has
        if not has:
            continue
        try:
            if not lab.is_up():
                _log.warning("a daemon of the lab has ended, restarting it")
                await asyncio.to_thread(lab.ensure_daemons)
        except ResourceError as error:
            _log.warning("a daemon of the lab does not start", error=error.message)


async def _ends_within(ended: asyncio.Event, seconds: float) -> bool:
    """Wait for the event for ``seconds`` at most; return whether it was set."""
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return False
    return True


def _lock(path: Path) -> IO[str]:
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"the lab already has a keeper: {path}")
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def is_at(path: Path, file: IO[str]) -> bool:
    """Return whether a path leads to an open file."""
    try:
        found, opened = path.stat(), os.fstat(file.fileno())
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


def main() -> None:
    """Run the process."""
    state = Path(sys.argv[1])
    configure_logs("lab-keeper", "lab-keeper", "info")
    with _lock(pid_file(state)) as file:
        asyncio.run(keep(Lab(load_settings(state)), lambda: is_at(pid_file(state), file)))


if __name__ == "__main__":
    main()
