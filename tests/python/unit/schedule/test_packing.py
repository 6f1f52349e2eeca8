"""Packing of mixed flavors on 1,000 nodes, against the linear-programming bound."""

from __future__ import annotations

import pytest

from benchmarks import packing
from controller.model.node import Capacity


@pytest.mark.design("J10")
@pytest.mark.parametrize("sizes", packing.SERVERS.values(), ids=list(packing.SERVERS))
def test_mixed_flavors_are_packed_within_3_percent_of_what_is_possible(sizes: tuple[Capacity, ...]) -> None:
    found = packing.packed(packing.nodes(*sizes), seed=1)
    assert found.asked > 5000
    assert found.placed >= 0.97, found
    assert found.size >= 0.97, found
