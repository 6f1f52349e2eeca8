"""What each cluster last reported, in memory: it decides when the root deletes a placed resource.

The row of a Compute that is being deleted may be deleted, and its address be allocated again, only when the cluster
has applied a desired state without it *and* no longer lists it. Both facts come from the one ordered Observe stream,
so they belong to one version of the cluster's database. The answer to a Sync call does not suffice: it may overtake
the stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ClusterView:
    """One cluster as of the last batch of its Observe stream."""

    whole: bool = False
    """True after the first complete snapshot. Before that, absence means nothing."""
    present: set[str] = field(default_factory=set)
    """``str(key)`` of every Compute and Loadbalancer that the cluster lists."""
    digests: dict[str, str] = field(default_factory=dict)
    """Digest of the desired state that the cluster applied last, by owner."""

    def has_released(self, owner: str, digest: str, key: str) -> bool:
        """Return whether the cluster has applied the owner's state ``digest`` and no longer lists ``key``."""
        return self.whole and self.digests.get(owner) == digest and key not in self.present
