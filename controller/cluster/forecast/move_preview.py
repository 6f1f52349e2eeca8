"""Which moves would a drain or a rebalance make now: answers that change nothing (F3, J4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from controller.cluster.moves import drain, rebalance
from controller.cluster.moves.planning import MovePlan
from controller.cluster.unit_of_work import plan_store
from controller.errors import InvalidInput, Problem
from controller.model.compute import COMPUTE, Compute
from controller.model.node import NODE, Node
from controller.model.registry import key_of, key_of_path
from controller.store import resources
from controller.store.database import Transaction


def answer(tx: Transaction, cluster: str, question: bytes) -> bytes:
    """The answer to a PlanMoves call; raises InvalidInput for a question that is none."""
    try:
        asked = json.loads(question)
        if "drain" in asked:
            found = _drain(tx, cluster, set(map(str, asked["drain"]["nodes"])))
        else:
            found = _rebalance(tx, cluster, asked["rebalance"])
    except (ValueError, KeyError, TypeError):
        raise InvalidInput([Problem("question", "must ask for a drain's or a rebalance's moves")]) from None
    return json.dumps(found.render()).encode()


def _drain(tx: Transaction, cluster: str, names: set[str]) -> MovePlan:
    """Nodes that the cluster does not know (yet) have nothing on them."""
    nodes = cast(list[Node], resources.list_all(tx, NODE, parents=(cluster,)))
    known = names & {node.name for node in nodes}
    draining = {node.name for node in nodes if node.spec.drain} - known
    plan = plan_store.load_of_nodes(tx, cluster, known | draining)
    return drain.foresee(plan, known, draining)


def _rebalance(tx: Transaction, cluster: str, asked: Mapping[str, Any]) -> MovePlan:
    project, region, service = key_of_path("RegionService", str(asked["service"])).path.split("/")
    fields = {"spec.service": service}
    rows = resources.list_all(tx, COMPUTE, parents=(region,), project=project, fields=fields)
    members = [row for row in rows if not row.is_deleting]
    plan = plan_store.load(tx, cluster, map(key_of, members))
    computes = [each for each in plan.workloads.values() if isinstance(each, Compute)]
    limit = asked.get("max_moves")
    return rebalance.foresee(plan, computes, None if limit is None else int(limit))
