"""Writes which disks a node keeps aside into its row, from its agent's full reports, so that users see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.model.node import NODE, Node
from controller.store import resources
from controller.store.database import Transaction
from controller.wire.agent_pb2 import Report

_FACTS = ("quarantine", "quarantine_bytes")


def facts_of(report: Report) -> dict[str, Any]:
    """Return what was reported as the row has it; nothing where nothing is kept aside."""
    disks = [
        {"key": each.key, "uid": each.uid, "name": each.name, "at": each.at, "size_bytes": each.size_bytes}
        for each in report.quarantine
    ]
    # An older agent sends no sum.
    total = report.quarantine_bytes or sum(each.size_bytes for each in report.quarantine)
    return {name: value for name, value in zip(_FACTS, (disks, total), strict=True) if value}


def differs(node: Node | None, facts: Mapping[str, Any]) -> bool:
    """Return whether the row has something else; a node that does not exist has nothing to be written."""
    return node is not None and any(node.observed.get(name) != facts.get(name) for name in _FACTS)


def write(tx: Transaction, cluster: str, name: str, facts: Mapping[str, Any]) -> None:
    """Write the facts into the node's row, if it exists."""
    node = resources.find(tx, NODE.key(cluster, name))
    if node is None or not differs(node, facts):
        return
    observed = {key: value for key, value in node.observed.items() if key not in _FACTS}
    resources.update(tx, [node.model_copy(update={"observed": {**observed, **facts}})])
