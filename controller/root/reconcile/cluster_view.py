"""What the root last saw of each cluster, in memory: the basis for letting go of resources.

A Compute that is being deleted may be forgotten, and its address given to another, only when the
cluster has taken in a wish without it *and* no longer lists it. Both facts come from the one
ordered Observe stream, so they belong to one version of the cluster's database; the answer to a
Sync call would not do, for it may overtake the stream.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ClusterView:
    """One cluster as of the last batch of its Observe stream."""

    whole: bool = False
    """The first snapshot has arrived completely; before that nothing may be concluded."""
    present: set[str] = field(default_factory=set)
    """``str(key)`` of every Compute and Loadbalancer that the cluster lists."""
    digests: dict[str, str] = field(default_factory=dict)
    """Digest of the last wish taken in, by owner."""

    def has_let_go(self, owner: str, digest: str, key: str) -> bool:
        """True when the cluster knows the wish ``digest`` of ``owner`` and lists ``key`` no longer."""
        return self.whole and self.digests.get(owner) == digest and key not in self.present
