"""Composes the hello that opens each session of an agent: the node's addresses, what it offers and what it knows."""

from __future__ import annotations

import json

from controller.agent.assignments import Assignments
from controller.agent.drivers.types import HostFacts
from controller.agent.options import Options
from controller.wire.agent_pb2 import Hello


def hello(options: Options, facts: HostFacts, endpoint: str, assignments: Assignments) -> Hello:
    """Return the hello; ``endpoint`` is the address that serves Status and Console.

    It says which ``assignments`` the agent has, so that a cluster whose database was restored notices it.
    """
    capacity = {
        "capacity": facts.capacity.model_dump(mode="json"),
        "numa": [cell.model_dump(mode="json") for cell in facts.numa],
        "providers": sorted(options.providers),
        "accelerator": facts.accelerator,
    }
    return Hello(
        node=options.node,
        endpoint=endpoint,
        migration_address=options.migration_address,
        version=options.version,
        epoch=assignments.epoch,
        assignments_version=assignments.version,
        capacity=json.dumps(capacity).encode(),
    )
