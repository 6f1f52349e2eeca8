"""libvirt's event loop: one native thread per process, for every connection of it.

It must run before the first connection is opened: keepalive and events need it. Callbacks come on
that thread; whoever registers one hands the work over to its own event loop.
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
        # libvirt prints every error to stderr by default; ours are raised.
        libvirt.registerErrorHandler(lambda *_: None, None)
        libvirt.virEventRegisterDefaultImpl()
        _thread = threading.Thread(target=_run, name="libvirt-events", daemon=True)
        _thread.start()


def _run() -> None:
    # The default loop blocks while it has nothing to watch; an idle timer lets it look again.
    libvirt.virEventAddTimeout(1000, lambda *_: None, None)
    while True:
        libvirt.virEventRunDefaultImpl()
