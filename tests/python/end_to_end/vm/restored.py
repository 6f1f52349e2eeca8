"""Puts a backup in the place of a tier's database under its running processes, for tests of the restore."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from controller.lab.plane import CLUSTER
from controller.store import backup
from controller.store.database import Database, Tier
from tests.python.end_to_end.vm.site import Site

FILES = {Tier.ROOT: "root.db", Tier.CLUSTER: "cluster.db"}
ROLES = {
    Tier.ROOT: ("resource-api", "resource-controller"),
    Tier.CLUSTER: ("cluster-api", "cluster-controller"),
}


def database(site: Site, tier: Tier, name: str = "") -> Database:
    """Return the database of a tier, or the file of that name beside it; the caller closes it."""
    url = f"sqlite:///{site.plane.folder / (name or FILES[tier])}"
    return Database(url, tier=tier, cluster=CLUSTER if tier is Tier.CLUSTER else "")


def back_up(site: Site, tier: Tier, file: Path) -> None:
    """Back up the database of a tier while its processes run."""
    source = database(site, tier)
    backup.backup(source, file)
    source.close()


def restore(site: Site, tier: Tier, file: Path) -> None:
    """Replace the database of a tier by a backup; its processes are killed, and started again on the restored one."""
    lost = site.plane.folder / FILES[tier]
    made = database(site, tier, "restored.db")
    made.upgrade()
    backup.restore(made, file)
    made.close()
    found = {role: site.pid(role) for role in ROLES[tier]}
    pids = {role: pid for role, pid in found.items() if pid is not None}
    assert pids.keys() == found.keys()
    for pid in pids.values():
        os.kill(pid, signal.SIGSTOP)
    for ending in ("-wal", "-shm"):
        lost.with_name(lost.name + ending).unlink(missing_ok=True)
    (site.plane.folder / "restored.db").replace(lost)
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for role, pid in pids.items():
        site.until_back(role, None, pid)
