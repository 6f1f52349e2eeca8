"""Virtual machines that exist only as records: the driver for tests and scale runs."""

from controller.agent.drivers.memory.driver import DEFAULT_CAPACITY, MemoryDriver, Phase
from controller.agent.drivers.memory.folder_world import FolderHypervisors
from controller.agent.drivers.memory.world import MemoryHost, MemoryHypervisors, MemoryWorld

__all__ = [
    "DEFAULT_CAPACITY",
    "FolderHypervisors",
    "MemoryDriver",
    "MemoryHost",
    "MemoryHypervisors",
    "MemoryWorld",
    "Phase",
]
