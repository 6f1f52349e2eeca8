"""What the agent must not forget about migrations and about the node's last boot.

Everything else is read from the hypervisor. The journal holds, by resource uid, the number of the
migration that was begun here and how far it came (so that ``migrate`` is called once per number,
also by a restarted agent), and the machines that stay off since the node was restarted.

A record is on disk before the act that it speaks of begins.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from controller.agent.atomic_file import read_or_none, write_durably


class MigrationPhase(StrEnum):
    """How far a migration came."""

    PREPARED = "Prepared"
    """Target: ready to receive."""
    SENDING = "Sending"
    """Source: begun; under way as far as anybody knows."""
    SENT = "Sent"
    """Source: the target has it completely, the copy here does not run."""
    FAILED = "Failed"
    """Source: the copy here runs on. Target: it could not prepare."""
    UNCLEAR = "Unclear"
    """Source: ended, and the copy here does not run: the controller looks at both nodes."""


@dataclass(frozen=True)
class MigrationRecord:
    """The last migration of a resource that this node took part in."""

    attempt: int
    phase: MigrationPhase
    reason: str = ""

    @property
    def begun(self) -> bool:
        """Whether this node began to send it, and did not see it fail with the copy here running on."""
        return self.phase in (MigrationPhase.SENDING, MigrationPhase.SENT, MigrationPhase.UNCLEAR)


class Journal:
    """Durable notes by resource uid; loses nothing that ``record`` or ``hold`` returned for."""

    def __init__(self, folder: Path | None = None) -> None:
        """``folder`` None: kept in memory only (simulated agents)."""
        self._path = folder / "journal.json" if folder else None
        self._migrations: dict[str, MigrationRecord] = {}
        self._held: dict[str, str] = {}
        self.boot = ""
        self.cold = False
        """The node was restarted, and the cluster has not said since what is to run here."""
        self._lock = asyncio.Lock()

    def load(self) -> None:
        """Read what an earlier process kept."""
        content = read_or_none(self._path) if self._path else None
        if content is None:
            return
        document = json.loads(content)
        self._migrations = {
            uid: MigrationRecord(one["attempt"], MigrationPhase(one["phase"]), one["reason"])
            for uid, one in document["migrations"].items()
        }
        self._held = document["held"]
        self.boot = document["boot"]
        self.cold = document.get("cold", False)

    def migration(self, uid: str) -> MigrationRecord | None:
        """The last migration of the resource."""
        return self._migrations.get(uid)

    def held(self, uid: str) -> str:
        """What the resource was asked to be when the node went down; empty: it is not held."""
        return self._held.get(uid, "")

    async def record(self, uid: str, record: MigrationRecord) -> None:
        """Remember a migration."""
        if self._migrations.get(uid) != record:
            self._migrations[uid] = record
            await self._save()

    async def booted(self, boot: str, held: dict[str, str]) -> None:
        """Remember the node's boot, and the machines that it does not start by itself; the node is cold."""
        self.cold = bool(self.boot)
        self.boot = boot
        self._held.update(held)
        await self._save()

    async def warmed(self) -> None:
        """The cluster has said what is to run here since the node was restarted."""
        if self.cold:
            self.cold = False
            await self._save()

    async def release(self, uid: str) -> None:
        """The machine may be started again."""
        if self._held.pop(uid, None) is not None:
            await self._save()

    async def forget(self, uid: str) -> None:
        """The resource has nothing to do with this node any more, or its migration is done."""
        known = self._migrations.pop(uid, None), self._held.pop(uid, None)
        if known != (None, None):
            await self._save()

    async def _save(self) -> None:
        if self._path is None:
            return
        async with self._lock:
            document = {
                "boot": self.boot,
                "cold": self.cold,
                "held": self._held,
                "migrations": {uid: asdict(record) for uid, record in self._migrations.items()},
            }
            await asyncio.to_thread(write_durably, self._path, json.dumps(document).encode())
