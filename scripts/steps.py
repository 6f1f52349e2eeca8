"""Run commands of several lanes at the same time and show their output as if one ran after the other.

Steps of one lane run in their order. The output of a step goes to a file, and the files are shown in the order of the
steps: what runs at the same time does not mix, and what is shown first is shown as it comes.

Each step is a session of its own. An interrupt ends it as Ctrl-C in a terminal would. When this process is killed, the
kernel ends each step's command: pytest ends what its tests have started, and a script ends after its present command.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from scripts.recorder import ROOT, Record

NONE_CHOSEN = 5
"""Exit code of pytest where it has no test to run."""
_PATIENCE = 60.0
"""Seconds that an interrupted step has for its own clean-up."""
_LOOK = 0.1
"""Seconds between two looks at a step's output."""


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
    """Whether the last line of its output is a result that the summary shows."""
    lane: int = 0
    """Lanes run at the same time, the steps of one lane one after the other."""


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


def run(steps: Sequence[Step], ended: Callable[[Sequence[Done]], None] = lambda done: None) -> list[Done]:
    """Run all steps and return them in their order; ``ended`` gets those that have run after each one."""
    return asyncio.run(_run(steps, ended))


async def _run(steps: Sequence[Step], ended: Callable[[Sequence[Done]], None]) -> list[Done]:
    done: dict[int, Done] = {}
    with tempfile.TemporaryDirectory() as name:
        outputs = [Path(name) / str(number) for number in range(len(steps))]
        for output in outputs:
            output.touch()

        async def run_lane(lane: int) -> None:
            for number, step in enumerate(steps):
                if step.lane == lane:
                    done[number] = await _step(step, outputs[number])
                    ended([done[each] for each in sorted(done)])

        async with asyncio.TaskGroup() as tasks:
            for lane in {step.lane for step in steps}:
                tasks.create_task(run_lane(lane))
            for number, step in enumerate(steps):
                print(f"--- {step.name}", flush=True)
                await _show(outputs[number], partial(done.__contains__, number))
    return [done[number] for number in range(len(steps))]


async def _step(step: Step, output: Path) -> Done:
    began = time.monotonic()
    file = output.with_suffix(".json")
    more = ["-p", "scripts.recorder", "--record", str(file)] if step.is_pytest else []
    # Hundreds of processes start: each would compile the project again.
    environ = {**os.environ, **step.environ, "PYTHONDONTWRITEBYTECODE": ""}
    code = await _command([*step.command, *more], environ, output, interrupts=step.is_pytest)
    return _done(step, code, time.monotonic() - began, file, output)


def _done(step: Step, code: int, seconds: float, file: Path, output: Path) -> Done:
    record = Record(**json.loads(file.read_text())) if file.exists() else Record()
    result = output.read_text(errors="replace").strip().rpartition("\n")[2] if step.has_result else ""
    return Done(step, code, seconds, record, result)


async def _command(command: Sequence[str], environ: Mapping[str, str], output: Path, *, interrupts: bool) -> int:
    """Run a command. When this process is killed, pytest is interrupted, so that fixtures end what they started."""
    with output.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            # A shell starts what runs in the background with SIGINT ignored, and children inherit that.
            *("env", "--default-signal=INT", "setpriv", "--pdeathsig", "INT" if interrupts else "TERM", "--", *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=ROOT,
            env=environ,
            start_new_session=True,
        )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    os.killpg(process.pid, signal.SIGINT)
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _show(output: Path, is_over: Callable[[], bool]) -> None:
    with output.open("rb") as file:
        last = False
        while not last:
            last = is_over()  # before the read, which then gets the last of it
            sys.stdout.buffer.write(file.read())
            sys.stdout.flush()
            if not last:
                await asyncio.sleep(_LOOK)
