"""What a pass tells the scheduler of a node."""

from __future__ import annotations

import pytest

from tests.python.unit.cluster.reconcile.test_computes import up, work_of


@pytest.mark.design("I3")
@pytest.mark.parametrize(
    ("numa", "schedulable"),
    [
        ([], True),
        ([{"cell": 0, "cpus": [0, 1]}], True),
        ([{"cell": 0, "cpus": [0, 1], "of_a_newer_agent": 1}], True),
        ([{"cell": "north", "cpus": [0, 1]}], False),
        ("two", False),
    ],
)
def test_nothing_is_placed_on_a_node_whose_cells_cannot_be_read(numa: object, schedulable: bool) -> None:
    node = up("n1", "r1")
    node = node.model_copy(update={"observed": {**node.observed, "numa": numa}})
    (facts,) = work_of(nodes=(node,)).snapshot.nodes
    assert facts.schedulable is schedulable
