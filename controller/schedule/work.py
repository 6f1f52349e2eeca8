"""How much work a snapshot's decisions have done, in counts that do not depend on the machine.

Tests bound these in place of seconds: a count grows when an algorithm becomes worse, and only then.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Work:
    """Counts since the snapshot was made."""

    group_scans: int = 0
    """Comparisons of all groups of nodes with each other, to find the one with the lowest cost."""
    nodes_counted: int = 0
    """Nodes of which the slots for a shape and their cost were computed in arrays."""
    explanations: int = 0
    """Refusals whose reasons were counted over all nodes."""
    attempts: int = 0
    """Attempts of the large neighbourhood search to put one resource on a node."""
    considered: int = 0
    """Resources that the rounds of that search removed or tried, summed."""
    orders: int = 0
    """States that ``spread_plan`` has looked at."""
