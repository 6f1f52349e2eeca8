"""The lab's process in the background: runs the control plane, and starts again whatever dies.

``python -m controller.lab.keeper STATE``, where STATE is the lab's folder. It holds a lock on its
pid file while it lives: so there is one per lab, and whether it runs can be told even after a
SIGKILL. SIGTERM ends it and its children; virtual machines stay as they are.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import time
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

LOOK_AT_DAEMONS = 1.0
"""Seconds between two looks whether a daemon of the lab died."""

START_SECONDS = 30.0

LOOK_FOR_TOKENS = 0.2
"""Seconds between two looks whether the nodes may join."""

_log = structlog.get_logger("lab")


def pid_file(state: Path) -> Path:
    """Return where the keeper of a lab writes its process id."""
    return state / "keeper.pid"


def log_file(state: Path) -> Path:
    """Return where the keeper and its children write what they have to say."""
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
    """Start the keeper of a lab in the background, unless it runs. Raises TimedOut when it does not come up."""
    state = lab.settings.state
    if running(state) is not None:
        return
    log = log_file(state)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        # A child of init, not of ours: it outlives us, and nobody of us has to wait for its end.
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
    """Ask the keeper to end its children and itself; what is left after ``deadline`` seconds, others must kill."""
    limit = time.monotonic() + deadline
    asked = None
    while (pid := running(lab.settings.state)) is not None and time.monotonic() < limit:
        if pid and pid != asked:
            namespaces.signal_quietly(pid, signal.SIGTERM)
            asked = pid
        time.sleep(0.05)


async def keep(lab: Lab) -> None:
    """Run the control plane and look after the lab's daemons, until SIGTERM."""
    plane = ControlPlane(lab)
    control, agents = Supervisor(plane.control_children()), Supervisor(plane.agent_children())
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(control.run(signals=False))
        tasks.create_task(_run_agents(plane, agents, ended))
        tasks.create_task(_look_after_daemons(lab, ended))
        await ended.wait()
        agents.stop()
        control.stop()


async def _run_agents(plane: ControlPlane, agents: Supervisor, ended: asyncio.Event) -> None:
    """Start the agents once there are join tokens for them; later starts of the lab find certificates."""
    while not all(plane.may_join(node) for node in plane.lab.nodes):
        if await _ends_within(ended, LOOK_FOR_TOKENS):
            return
    await agents.run(signals=False)


async def _look_after_daemons(lab: Lab, ended: asyncio.Event) -> None:
    while not await _ends_within(ended, LOOK_AT_DAEMONS):
        try:
            if not lab.is_up():
                _log.warning("a daemon of the lab is gone, starting it again")
                await asyncio.to_thread(lab.ensure_daemons)
        except ResourceError as error:
            _log.warning("a daemon of the lab does not start", error=error.message)


async def _ends_within(ended: asyncio.Event, seconds: float) -> bool:
    """Wait for the end, ``seconds`` at most; tell whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return False
    return True


def _hold(path: Path) -> IO[str]:
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"the lab has a keeper already: {path}")
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def main() -> None:
    """Entry point of the process."""
    state = Path(sys.argv[1])
    configure_logs("lab-keeper", "lab-keeper", "info")
    with _hold(pid_file(state)):
        asyncio.run(keep(Lab(load_settings(state))))


if __name__ == "__main__":
    main()
