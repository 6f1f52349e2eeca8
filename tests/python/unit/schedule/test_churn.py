"""Churn: whatever comes after whatever, nothing is overcommitted, no rule broken, nothing lost (``churn`` says what).

Walks of fixed seeds, and one of a seed that is new each time and printed when it fails:
``RESOURCE_CHURN_SEED=<seed> make test ARGS="-k new_seed"`` walks it again. ``make test-all`` walks ten times as far.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter

import pytest

from tests.python.unit.schedule import churn, churn_checks

ROOMY = dict.fromkeys(range(1, 8), 2400)
"""Seed to steps; most of what is asked for has room, so that prefixes stay in order for long."""
TIGHT = {11: 1200, 12: 1000, 13: 1000, 14: 1000}
"""More is asked for than there is: refusals, races and second looks. Long enough for each step to be drawn."""
NEW = 1000
SEED = "RESOURCE_CHURN_SEED"
STEPS = (
    "create", "scale_up", "scale_down", "delete_by_name", "delete_service", "try_again", "two_at_once", "node_down",
    "node_back", "forget", "cordon", "drain", "drain_on", "rebalance", "go_on",
)  # fmt: skip

pytestmark = pytest.mark.design("I1", "I3", "I4", "I5", "J3", "J4", "J5", "J8", "J10", "J11", "K3")


@pytest.mark.parametrize("seed", ROOMY)
def test_with_room_for_most(seed: int) -> None:
    site = churn.walk(seed, ROOMY[seed], most=20)
    assert not [name for name in STEPS if site.seen[name] < 5]
    assert site.seen["placed"] > ROOMY[seed] / 3
    assert site.seen["drained"] > 10
    assert site.seen["rebalanced"] > 10


@pytest.mark.parametrize("seed", TIGHT)
def test_near_full(seed: int) -> None:
    site = churn.walk(seed, TIGHT[seed], most=70)
    assert not [name for name in STEPS if site.seen[name] < 3]
    assert site.seen["refused"] > TIGHT[seed] / 10
    assert site.seen["lost the race"], "the snapshots were never stale"
    moved = Counter[str]()
    for what, count in site.seen.items():
        for word in ("in cells", "pinned", "a hard rule"):
            moved[word] += count if what.startswith("second look:") and word in what else 0
    assert moved["in cells"], "the second look has moved nothing that is kept to NUMA cells"
    assert moved["pinned"] + moved["a hard rule"], "the second look has had no hard case"


def test_a_new_seed() -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(1 << 32))
    sys.stderr.write(f"to walk this again: {SEED}={seed}\n")
    churn.walk(seed, NEW, most=30 + seed % 5 * 10)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 140))
def test_ten_times_as_far(seed: int) -> None:
    churn.walk(seed, 5000, most=30 + seed % 5 * 10)


def test_the_checks_see_what_is_wrong() -> None:
    """Books that were spoiled by hand in each of the ways that the walks look for."""
    site = churn.walk(1, 60, most=60)
    key = next(iter(site.reserved))
    share = site.reserved.pop(key)
    with pytest.raises(AssertionError, match="no owner, or no reservation"):
        churn_checks.check(site)
    site.reserved[key] = share
    churn_checks.check(site)
    machine = site.nodes[key[0]]
    machine.facts = machine.facts.__class__(**{**vars(machine.facts), "total": share.size.__class__()})
    with pytest.raises(AssertionError, match=key[0]):
        churn_checks.check(site)
