"""What tests read of the processes of a tier."""

from __future__ import annotations

from controller.model.service_process import SERVICE_PROCESS, ServiceProcess
from controller.store import processes, resources
from controller.store.database import Transaction


def all_processes(tx: Transaction) -> list[ServiceProcess]:
    """Return every process, with the time of its last heartbeat."""
    return processes.with_beats(tx, resources.list_all(tx, SERVICE_PROCESS))
