"""Runs libvirt's event loop for all connections of a process, in one native thread.

It must run before the first connection is opened: keepalive and events need it. Callbacks are called
on that thread; each must pass its work to its own event loop.
"""

from __future__ import annotations

import threading

import libvirt

_lock = threading.Lock()
_thread: threading.Thread | None = None


def start() -> None:
    """Start the thread, once."""
    global _thread
    with _lock:
        if _thread is not None:
            return
        # By default libvirt prints every error to stderr; the driver raises them.
        libvirt.registerErrorHandler(lambda *_: None, None)
        libvirt.virEventRegisterDefaultImpl()
        _thread = threading.Thread(target=_run, name="libvirt-events", daemon=True)
        _thread.start()


def _run() -> None:
    # The default loop blocks while it watches nothing; an idle timer makes it check for new connections.
    libvirt.virEventAddTimeout(1000, lambda *_: None, None)
    while True:
        libvirt.virEventRunDefaultImpl()
