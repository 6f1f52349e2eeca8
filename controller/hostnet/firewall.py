"""One nftables table, kept as a template renders it.

Every function blocks. A load replaces the whole table in one transaction, so packets never meet half
of it. What was loaded is compared with what is there (counters left out), so a table that somebody
changed or flushed is put right at the next look; tables of others are not touched.
"""

from __future__ import annotations

import subprocess

from controller.errors import TimedOut, Unavailable

SECONDS = 20.0


class Table:
    """The table ``inet <name>``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._text = ""
        self._listing = ""

    def keep(self, text: str) -> bool:
        """Have ``text`` loaded; whether it had to be. Raises Unavailable, TimedOut."""
        if text == self._text and self._list() == self._listing:
            return False
        _nft("-f", "-", text=text)
        self._text, self._listing = text, self._list()
        return True

    def _list(self) -> str:
        try:
            return _nft("--stateless", "list", "table", "inet", self.name)
        except Unavailable:
            return ""  # it is not there


def _nft(*arguments: str, text: str | None = None) -> str:
    try:
        done = subprocess.run(
            ["nft", *arguments], input=text, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"nft took more than {SECONDS:.0f} s") from error
    except OSError as error:
        raise Unavailable(f"nft cannot be run: {error}") from error
    if done.returncode != 0:
        raise Unavailable(f"nft {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
