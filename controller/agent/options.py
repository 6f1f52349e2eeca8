"""Defines the configuration of one agent, which its process or a simulation gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.agent.machine_reconciler import WorkLimits
from controller.agent.session import Intervals
from controller.loop import Backoff
from controller.model.provider import ProviderDriver


@dataclass(frozen=True)
class Options:
    """The configuration of one agent."""

    node: str
    migration_address: str = ""
    """Where other nodes' hypervisors reach this one's."""
    version: str = ""
    boot: str = ""
    """Changes with each restart of the node; empty: not known, and restarts are not detected."""
    providers: Mapping[str, ProviderDriver] = field(default_factory=dict)
    """The driver of each provider, by the provider's name."""
    resync: float = 60.0
    """Seconds between two rounds over all resources."""
    observe_deadline: float = 60.0
    quarantine_seconds: float = 14 * 86400.0
    """How long disks that were kept aside stay."""
    limits: WorkLimits = field(default_factory=WorkLimits)
    intervals: Intervals = field(default_factory=Intervals)
    backoff: Backoff = field(default_factory=Backoff)
