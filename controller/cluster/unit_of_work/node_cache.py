"""The cluster's nodes as parsed, kept from one pass to the next: thousands of them, and few ever change.

What is kept of a node counts only while the database, asked in the same transaction, says that the
node's row has the very uid and version that were parsed. So nothing depends on having heard of
changes: of another writer's, of a database that was restored, or of a former term's.

The nodes handed out are shared between passes: nobody may change them.

Not safe for several threads at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from controller.model.node import NODE, Node
from controller.model.registry import AnyResource
from controller.store import resources
from controller.store.database import Transaction


class NodeCache:
    """Keeps the nodes of one cluster."""

    def __init__(self) -> None:
        self._kept: dict[str, Node] = {}

    def learn(self, nodes: Iterable[Node]) -> None:
        """Keep what was parsed elsewhere, where it is newer; it counts no more than what was read here."""
        for node in nodes:
            before = self._kept.get(node.name)
            if before is None or before.resource_version < node.resource_version:
                self._kept[node.name] = node

    def read(self, tx: Transaction, cluster: str) -> dict[str, Node]:
        """The nodes by name, as the transaction sees them."""
        if tx.changed:
            # What it wrote may be undone, and its versions be given to other changes.
            return _by_name(resources.list_all(tx, NODE, parents=(cluster,)))
        marks = {path.rpartition("/")[2]: mark for path, mark in resources.marks(tx, NODE.name, (cluster,)).items()}
        kept = {name: self._kept[name] for name in marks if name in self._kept}
        known = {name: node for name, node in kept.items() if marks[name] == (node.uid, node.resource_version)}
        if len(known) < len(marks):
            keys = [NODE.key(cluster, name) for name in marks if name not in known]
            known |= _by_name(list(resources.get_many(tx, keys).values()))
        self._kept = known
        return dict(known)


def _by_name(found: list[AnyResource]) -> dict[str, Node]:
    return {each.name: cast(Node, each) for each in found}
