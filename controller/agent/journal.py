"""Keeps migrations and the node's last boot on disk, for the machine reconciler.

Everything else is read from the hypervisor. The journal has, by resource uid, the number and the
phase of the last migration that began here (so that ``migrate`` is called once per number, also by
a restarted agent), and the machines that stay off since the node was restarted.

A record is on disk before the step that it describes begins. One that the disk refused is written by the next call,
whatever that call records.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from controller.agent.atomic_file import read_or_none, write_durably


class MigrationPhase(StrEnum):
    """The phase of a migration, as one node knows it."""

    PREPARED = "Prepared"
    """Target: ready to receive."""
    SENDING = "Sending"
    """Source: begun, and in progress as far as is known."""
    SENT = "Sent"
    """Source: the target has it completely, the copy here does not run."""
    FAILED = "Failed"
    """Source: the copy here still runs. Target: it could not prepare."""
    UNCLEAR = "Unclear"
    """Source: ended, and the copy here does not run: the controller compares both nodes."""


@dataclass(frozen=True)
class MigrationRecord:
    """The last migration of a resource that this node took part in."""

    attempt: int
    phase: MigrationPhase
    reason: str = ""

    @property
    def begun(self) -> bool:
        """Whether this node began to send it and did not observe that it failed with the copy here running."""
        return self.phase in (MigrationPhase.SENDING, MigrationPhase.SENT, MigrationPhase.UNCLEAR)


class Journal:
    """Durable records by resource uid; nothing is lost for which ``record`` or ``record_boot`` returned."""

    def __init__(self, folder: Path | None = None, *, write: Callable[[Path, bytes], None] | None = None) -> None:
        """``folder`` None: kept in memory only (simulated agents). ``write``: instead of ``write_durably``."""
        self._path = folder / "journal.json" if folder else None
        self._write_file = write
        self._unsaved = False
        self._migrations: dict[str, MigrationRecord] = {}
        self._held: dict[str, str] = {}
        self.boot = ""
        self.boot_unconfirmed = False
        """The node was restarted, and no full set of assignments came since."""
        self._lock = asyncio.Lock()

    def read(self) -> bytes | None:
        """Read what an earlier process wrote, for ``load``. Blocks."""
        return read_or_none(self._path) if self._path else None

    def load(self, content: bytes | None) -> None:
        """Begin with what was read."""
        if content is None:
            return
        document = json.loads(content)
        self._migrations = {
            uid: MigrationRecord(one["attempt"], MigrationPhase(one["phase"]), one["reason"])
            for uid, one in document["migrations"].items()
        }
        self._held = document["held"]
        self.boot = document["boot"]
        self.boot_unconfirmed = document.get("cold", False)

    def migration(self, uid: str) -> MigrationRecord | None:
        """Return the last migration of the resource."""
        return self._migrations.get(uid)

    def held(self, uid: str) -> str:
        """Return what was asked of the machine's power when it was held; empty: it is not held."""
        return self._held.get(uid, "")

    async def record(self, uid: str, record: MigrationRecord) -> None:
        """Write a migration down."""
        if self._migrations.get(uid) != record:
            self._migrations[uid] = record
            self._unsaved = True
        await self._save()

    async def record_boot(self, boot: str, held: dict[str, str]) -> None:
        """Write down the node's boot and the machines that stay off; the boot is unconfirmed unless it is the first."""
        self.boot_unconfirmed = bool(self.boot)
        self.boot = boot
        self._held.update(held)
        self._unsaved = True
        await self._save()

    async def confirm_boot(self) -> None:
        """Record that a full set of assignments came since the node was restarted."""
        if self.boot_unconfirmed:
            self.boot_unconfirmed = False
            self._unsaved = True
        await self._save()

    async def release(self, uid: str) -> None:
        """End the hold: the machine may be started again."""
        if self._held.pop(uid, None) is not None:
            self._unsaved = True
        await self._save()

    async def forget(self, uid: str) -> None:
        """Delete the records of a resource: it left this node, or its migration has ended."""
        deleted = self._migrations.pop(uid, None), self._held.pop(uid, None)
        if deleted != (None, None):
            self._unsaved = True
        await self._save()

    async def save(self) -> None:
        """Write everything again: the folder was away, and may hold older records. Raises what the writer raises."""
        self._unsaved = True
        await self._save()

    async def _save(self) -> None:
        if self._path is None or not self._unsaved:
            return
        async with self._lock:
            document = {
                "boot": self.boot,
                "cold": self.boot_unconfirmed,
                "held": self._held,
                "migrations": {uid: asdict(record) for uid, record in self._migrations.items()},
            }
            write = self._write_file or write_durably
            await asyncio.to_thread(write, self._path, json.dumps(document).encode())
            self._unsaved = False
