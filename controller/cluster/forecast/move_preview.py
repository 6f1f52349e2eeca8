"""Previews the moves that a drain or a rebalance would make now, without any change.

Design: F3, J4
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from controller.cluster.moves import drain, rebalance
from controller.cluster.moves.planning import MovePlan
from controller.cluster.unit_of_work import storage
from controller.cluster.unit_of_work.service_computes import read_computes
from controller.errors import InvalidInput, Problem
from controller.model.compute import Compute
from controller.model.node import NODE
from controller.model.registry import key_of, key_of_path
from controller.store import resources
from controller.store.database import Transaction


def answer(tx: Transaction, cluster: str, question: bytes) -> bytes:
    """Return the answer to a PlanMoves call; raises InvalidInput for a malformed question."""
    try:
        request = json.loads(question)
        if "drain" in request:
            found = _drain(tx, cluster, set(map(str, request["drain"]["nodes"])))
        else:
            found = _rebalance(tx, cluster, request["rebalance"])
    except (ValueError, KeyError, TypeError):
        raise InvalidInput([Problem("question", "must ask for the moves of a drain or of a rebalance")]) from None
    return json.dumps(found.render()).encode()


def _drain(tx: Transaction, cluster: str, names: set[str]) -> MovePlan:
    """Return the moves of a drain; nodes that the cluster does not know (yet) have nothing on them."""
    nodes = resources.list_all(tx, NODE, parents=(cluster,))
    known = names & {node.name for node in nodes}
    draining = {node.name for node in nodes if node.spec.drain} - known
    work = storage.load_of_nodes(tx, cluster, known | draining)
    return drain.preview(work, known, draining)


def _rebalance(tx: Transaction, cluster: str, request: Mapping[str, Any]) -> MovePlan:
    service = key_of_path("RegionService", str(request["service"])).path
    members = [each for each in read_computes(tx, [service]) if not each.is_deleting]
    work = storage.load(tx, cluster, map(key_of, members))
    computes = [each for each in work.workloads.values() if isinstance(each, Compute)]
    limit = request.get("max_moves")
    return rebalance.preview(work, computes, None if limit is None else int(limit))
