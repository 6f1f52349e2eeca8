"""Reconciles one nftables table with its fixed part, which a template renders, and with its sets and chains.

Every function blocks. Each change is one transaction, so no packet passes half of it. ``apply`` compares the table as
it was loaded with the kernel's (without counters): a table that another program changed or flushed is loaded again as
a whole by the next call, and otherwise only what differs is sent. While the kernel's generation is the same nothing
has changed, and nothing is listed. Other tables are not changed.

Taps that are new are remembered by the kernel for ``ARRIVAL_SECONDS`` (set ``arrived``); after a load of the whole
table all taps count as new.
"""

from __future__ import annotations

import re

from controller.errors import Unavailable
from controller.hostnet import generation, nft, ruleset
from controller.hostnet.ruleset import EMPTY, Ruleset

SECONDS = 20.0
ARRIVAL_SECONDS = 300
"""How long a connection that moved with its machine may be silent on the guest's side before the peer sends: TCP
repeats after two minutes at the latest."""
_ARRIVED = re.compile(r"\tset arrived \{.*?\n\t\}\n", re.DOTALL)


class Table:
    """The table ``inet <name>``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fixed = ""
        self._rules = EMPTY
        self._listing = ""
        self._generation = -1

    def apply(self, fixed: str, rules: Ruleset) -> bool:
        """Load what differs from the kernel's table; return whether there was any. Raises Unavailable, TimedOut."""
        before = generation.read()
        intact = fixed == self._fixed and self._is_intact(before)
        if intact and rules == self._rules:
            return False
        old = self._rules if intact else EMPTY
        commands = ruleset.changes(self.name, old, rules)
        if arrived := ruleset.arrivals(old, rules):
            commands.append(f"add element inet {self.name} arrived {{ {', '.join(arrived)} }}")
        self._fixed = ""  # a failure leads to a load of the whole table
        text = "\n".join(commands if intact else [fixed, *commands]) + "\n"
        nft.run("-f", "-", seconds=SECONDS, text=text)
        self._listing, self._generation = self._list(), generation.read()
        if self._generation == before + 1:  # else another program's change may be in the listing
            self._fixed, self._rules = fixed, rules
        return True

    def _is_intact(self, now: int) -> bool:
        """Return whether the table is as it was loaded; it is listed only if some table has changed since."""
        if now != self._generation:
            if self._list() != self._listing:
                return False
            self._generation = now
        return True

    def _list(self) -> str:
        try:
            listed = nft.run("--stateless", "list", "table", "inet", self.name, seconds=SECONDS)
        except Unavailable:
            return ""  # it does not exist
        return _ARRIVED.sub("", listed)
