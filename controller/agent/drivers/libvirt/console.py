"""Opens a machine's serial console as a libvirt stream, for the libvirt driver.

libvirt's event thread reads the output and passes it to the event loop. While the reader does not
take it, the thread stops reading, and the guest waits. Output from before the console was opened is
in the machine's console log only.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import libvirt

from controller.agent.drivers.base import Console
from controller.agent.drivers.libvirt import observation
from controller.agent.drivers.libvirt.failures import translate
from controller.errors import Conflict, NotFound

CHUNK = 16384
WAITING = 64
"""Chunks that may wait for the reader before the guest has to wait."""
_WOULD_BLOCK = -2
_END = libvirt.VIR_STREAM_EVENT_HANGUP | libvirt.VIR_STREAM_EVENT_ERROR


class StreamConsole(Console):
    """An open console; ``open_console`` makes it."""

    def __init__(self, stream: libvirt.virStream, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._held = False
        self._ended = False
        self._closed = False

    def listen(self) -> None:
        """Register with the event thread; called once, in a worker thread."""
        self._stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE | _END, self._on_event, None)

    async def read(self) -> bytes:
        if self._ended and self._chunks.empty():
            return b""
        chunk = await self._chunks.get()
        if self._held and self._chunks.qsize() < WAITING // 2:
            self._held = False
            await asyncio.to_thread(self._watch, libvirt.VIR_STREAM_EVENT_READABLE | _END)
        return chunk

    async def write(self, data: bytes) -> None:
        while data:
            try:
                sent = await asyncio.to_thread(self._stream.send, data)
            except libvirt.libvirtError as error:
                raise translate(error, "write to the console") from error
            if sent == _WOULD_BLOCK:
                await asyncio.sleep(0.05)
            else:
                data = data[sent:]

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._finish)
            self._end()

    def _on_event(self, stream: libvirt.virStream, events: int, _opaque: object) -> None:
        try:
            chunk = stream.recv(CHUNK) if events & libvirt.VIR_STREAM_EVENT_READABLE else b""
        except libvirt.libvirtError:
            chunk = b""
        if chunk == _WOULD_BLOCK:
            return
        if not chunk:
            self._watch(0)
            self._call(self._end)
            return
        # Checked here, on the event thread: a slow reader must stop the very next chunk.
        if self._chunks.qsize() >= WAITING:
            self._held = True
            self._watch(_END)
        self._call(self._chunks.put_nowait, chunk)

    def _call(self, *work: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is no reader any more
            self._loop.call_soon_threadsafe(*work)  # type: ignore[arg-type]

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._chunks.put_nowait(b"")

    def _watch(self, events: int) -> None:
        with suppress(libvirt.libvirtError):
            self._stream.eventUpdateCallback(events)

    def _finish(self) -> None:
        with suppress(libvirt.libvirtError):
            self._stream.eventRemoveCallback()
        with suppress(libvirt.libvirtError):
            self._stream.abort()


def open_console(connect: libvirt.virConnect, uid: str, loop: asyncio.AbstractEventLoop) -> Console:
    """Open the console of a running machine. Blocks. Raises NotFound, and Conflict when it is in use."""
    domain = observation.lookup(connect, uid)
    if domain is None or not domain.isActive():
        raise NotFound(f"machine {uid} does not run on this node")
    try:
        stream = connect.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, stream, 0)
        console = StreamConsole(stream, loop)
        console.listen()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED:
            raise Conflict(f"the console is in use: {error.get_error_message()}") from error
        raise
    return console
