"""Keeps the parsed nodes of the cluster from one pass to the next: there are thousands, and few change.

A kept node is used only if the same transaction reads the uid and the version that were parsed from
the node's row. So nothing depends on having received every change: of another writer, of a restored
database, or of an earlier term.

The returned nodes are shared between passes: nobody may change them.

Not safe for several threads at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.model.node import NODE, Node
from controller.store import resources
from controller.store.database import Transaction


class NodeCache:
    """Keeps the nodes of one cluster."""

    def __init__(self) -> None:
        self._kept: dict[str, Node] = {}

    def learn(self, nodes: Iterable[Node]) -> None:
        """Keep nodes that were parsed elsewhere, where they are newer; ``read`` checks them like its own."""
        for node in nodes:
            before = self._kept.get(node.name)
            if before is None or before.resource_version < node.resource_version:
                self._kept[node.name] = node

    def read(self, tx: Transaction, cluster: str) -> dict[str, Node]:
        """Return the nodes by name, as the transaction sees them."""
        if tx.changed:
            # The transaction may be rolled back, and its versions be given to other changes.
            return _by_name(resources.list_all(tx, NODE, parents=(cluster,)))
        marks = {path.rpartition("/")[2]: mark for path, mark in resources.marks(tx, NODE.name, (cluster,)).items()}
        kept = {name: self._kept[name] for name in marks if name in self._kept}
        known = {name: node for name, node in kept.items() if marks[name] == (node.uid, node.resource_version)}
        if len(known) < len(marks):
            keys = [NODE.key(cluster, name) for name in marks if name not in known]
            known |= _by_name(resources.get_many(tx, keys).values())
        self._kept = known
        return dict(known)


def _by_name(found: Iterable[Node]) -> dict[str, Node]:
    return {each.name: each for each in found}
