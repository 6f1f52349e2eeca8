"""Room that is kept between attempts: the same as counting every node again, one by one or in arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.schedule import NodeFacts, Placed, Request, Snapshot, place, shares
from controller.schedule.known_room import KnownRoom
from tests.python.unit.schedule import clusters


@pytest.mark.design("I1", "I3", "J10")
@settings(max_examples=200)
@given(
    st.sampled_from([1, 8]).flatmap(lambda copies: clusters.nodes(copies=copies)),
    st.lists(clusters.services(clusters.kinds), min_size=1, max_size=6),
    st.booleans(),
)
def test_what_is_kept_is_what_counting_anew_says(
    nodes: list[NodeFacts], services: list[list[Request]], is_reset: bool
) -> None:
    snapshot = Snapshot(nodes)
    shapes = [snapshot.shape(requests[0]) for requests in services]
    everywhere = np.arange(len(snapshot), dtype=np.int64)
    room = KnownRoom(snapshot)
    for requests in services:
        answers = [each for each in place(snapshot, requests) if isinstance(each, Placed)]
        for answer in answers[::2]:
            snapshot.give_back(answer.node, answer.share)
        if is_reset:
            snapshot.reset_derived()
        for shape in shapes:
            counted = shares.count(snapshot, everywhere, shape).tolist()
            assert [shares.count_on(snapshot, number, shape) for number in range(len(snapshot))] == counted
            assert room.counts(everywhere, shape).tolist() == counted
            able = [number for number, count in enumerate(counted) if count > 0]
            assert room.with_room(everywhere, shape).tolist() == able
            assert [number for number in able if shares.share_with_room(snapshot, number, shape) is None] == []
