"""A machine's serial console, as a libvirt stream.

libvirt's event thread reads and hands over to the event loop; when nobody takes what came, it stops
reading, and the guest waits. Everything that was printed before is in the console log of the
machine, not here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import libvirt

from controller.agent.drivers.base import Console
from controller.agent.drivers.libvirt.failures import translate

CHUNK = 16384
WAITING = 64
"""Chunks that may wait to be read before the guest has to."""
_WOULD_BLOCK = -2
_END = libvirt.VIR_STREAM_EVENT_HANGUP | libvirt.VIR_STREAM_EVENT_ERROR


class StreamConsole(Console):
    """An open console; made by ``open_stream``."""

    def __init__(self, stream: libvirt.virStream, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._held = False
        self._ended = False
        self._closed = False

    def listen(self) -> None:
        """Let the event thread read; called once, in a worker thread."""
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
                raise translate(error, "type on the console") from error
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
        # Read here, on the event thread: a slow reader must stop the very next chunk.
        if self._chunks.qsize() >= WAITING:
            self._held = True
            self._watch(_END)
        self._call(self._chunks.put_nowait, chunk)

    def _call(self, *work: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody reads any more
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


def open_stream(
    connect: libvirt.virConnect, domain: libvirt.virDomain, loop: asyncio.AbstractEventLoop
) -> StreamConsole:
    """Open the console of a running domain. Blocks."""
    stream = connect.newStream(libvirt.VIR_STREAM_NONBLOCK)
    domain.openConsole(None, stream, 0)
    console = StreamConsole(stream, loop)
    console.listen()
    return console
