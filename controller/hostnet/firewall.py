"""One nftables table, kept as a template renders it.

Every function blocks. A load replaces the whole table in one transaction, so packets never meet half
of it. What was loaded is compared with what is there (counters left out), so a table that somebody
changed or flushed is put right at the next look; tables of others are not touched.
"""

from __future__ import annotations

from controller.errors import Unavailable
from controller.hostnet import nft

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
        nft.run("-f", "-", seconds=SECONDS, text=text)
        self._text, self._listing = text, self._list()
        return True

    def _list(self) -> str:
        try:
            return nft.run("--stateless", "list", "table", "inet", self.name, seconds=SECONDS)
        except Unavailable:
            return ""  # it is not there
