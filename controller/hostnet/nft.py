"""The program ``nft``: what it is told, within so many seconds, and what it answers.

Blocks, and works in the network namespace of the caller. nft reads a text as one transaction: all of
it holds, or nothing. Not promised: that nothing took effect when the time was over.
"""

from __future__ import annotations

import subprocess

from controller.errors import TimedOut, Unavailable


def run(*arguments: str, seconds: float, text: str | None = None) -> str:
    """What it prints; ``text`` is its input. Raises Unavailable when it refuses or is not there, TimedOut."""
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
