"""What a cluster's refusal of a service is told as: the words of a plan."""

from __future__ import annotations

import pytest

from controller.root import cluster_peer
from controller.wire import cluster_pb2


def told(asked: int, placed: int, **reasons: int) -> str:
    """In words, what a cluster answers that has found a node for ``placed`` of them."""
    there = [cluster_pb2.Placement(compute=f"web-{index}", node="n1") for index in range(placed)]
    counted = {reason.replace("_", " "): count for reason, count in reasons.items()}
    return cluster_peer._refusal(cluster_pb2.OfferReply(reasons=counted, placements=there), asked)


@pytest.mark.design("J8", "J9")
def test_the_most_frequent_reason_comes_first_and_thousands_are_readable() -> None:
    words = told(1, 0, rack_already_used=700, too_little_memory=4210, cordoned=90)
    assert words == "5,000 nodes: 4,210 too little memory, 700 rack already used, 90 cordoned"


@pytest.mark.design("J8", "J9")
def test_it_says_how_many_are_left_over_where_others_have_found_a_node() -> None:
    assert told(5, 4, rack_already_used=8) == "1 of 5: 8 nodes: 8 rack already used"


def test_a_cluster_without_nodes_says_so() -> None:
    assert told(3, 0) == "the cluster has no nodes"
