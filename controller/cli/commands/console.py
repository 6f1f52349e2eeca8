"""console: the serial console of a Compute, in this terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Protocol

import typer

from controller.cli import options
from controller.cli.session import Session

app = typer.Typer()

ESCAPE = b"\x1d"
"""Ctrl-], as in telnet and virsh: it leaves the console."""


class Stream(Protocol):
    """Bytes to and from a console."""

    async def send(self, data: bytes) -> None:
        """Type."""

    def received(self) -> AsyncIterator[bytes]:
        """Yield what the console prints, until it closes."""


@app.command(rich_help_panel="Computes")
@options.scoped
def console(
    session: Session, compute: Annotated[str, typer.Argument(metavar="COMPUTE", help="Name of the Compute.")]
) -> None:
    """Connect this terminal to a Compute's serial console; Ctrl-] leaves it.

    Example:
      resourcectl console web-0
    """
    key = session.locate("Compute", compute)

    async def run() -> None:
        async with session.console(key) as stream:
            sys.stderr.write(f"connected to {compute}; Ctrl-] leaves\r\n")
            with _raw(sys.stdin.fileno()):
                await exchange(stream, _typed(sys.stdin.fileno()))

    asyncio.run(run())
    sys.stderr.write("\r\n")


async def exchange(stream: Stream, typed: AsyncIterator[bytes]) -> None:
    """Copy bytes in both directions until the console closes or the user types Ctrl-]."""

    async def upward() -> None:
        async for data in typed:
            before, found, _ = data.partition(ESCAPE)
            if before:
                await stream.send(before)
            if found:
                return
        await asyncio.Event().wait()  # input has ended (a pipe): go on printing

    async def downward() -> None:
        async for data in stream.received():
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    tasks = [asyncio.create_task(upward()), asyncio.create_task(downward())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _typed(descriptor: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    loop.add_reader(descriptor, lambda: queue.put_nowait(os.read(descriptor, 4096)))
    try:
        while data := await queue.get():
            yield data
    finally:
        loop.remove_reader(descriptor)


@contextlib.contextmanager
def _raw(descriptor: int) -> Iterator[None]:
    """Set the terminal to pass every key on, and restore it afterwards. A pipe is left as it is."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
