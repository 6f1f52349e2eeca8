"""Runs the program ``nft`` with a deadline, for the firewall and for limits of bandwidth.

Blocks, and works in the network namespace of the caller. nft applies a text as one transaction:
all of it, or nothing. Not promised: that nothing took effect after a timeout.
"""

from __future__ import annotations

import subprocess

from controller.errors import TimedOut, Unavailable


def run(*arguments: str, seconds: float, text: str | None = None) -> str:
    """Return its output; ``text`` is its input. Raises Unavailable when it fails or is not installed, TimedOut."""
    try:
        done = subprocess.run(
            ["nft", *arguments], input=text, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"nft took more than {seconds:g} s") from error
    except OSError as error:
        raise Unavailable(f"nft cannot be run: {error}") from error
    if done.returncode != 0:
        raise Unavailable(f"nft {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
