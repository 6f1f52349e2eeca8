"""A hard rule that is broken after the placement: told in the service's status, with the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.clock import VirtualClock
from controller.model.envelope import Status
from controller.store import events
from controller.store.database import Database, Tier
from tests.python.unit.root.site import POWER, Site

pytestmark = pytest.mark.design("J5", "J11", "K5")
RACK = {"axis": "rack", "mode": "AntiAffinity", "hard": True}
BROKEN = "rack AntiAffinity (hard) is violated: 2 on rack r1"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    db = Database(f"sqlite:///{tmp_path}/root.sqlite", tier=Tier.ROOT, clock=VirtualClock())
    db.upgrade()
    yield Site(db)
    db.close()


def run(site: Site, *racks: str, rules: tuple[dict[str, Any], ...] = (POWER, RACK), **policy: Any) -> None:
    """The service has this policy, and its Computes run in these racks."""
    site.put(len(racks), schedule_policy={"rules": list(rules), **policy})
    for _ in racks:  # a rolling update takes one at a time
        site.advance()
        site.cluster_takes_in()
        for item, rack in zip(site.computes(), racks, strict=False):
            observed = {"node": f"{rack}-{item.spec.index}", "rack": rack}
            site._update(item, status=Status.ACTIVE.value, observed=observed)
    site.advance()
    assert site.service().status == Status.ACTIVE


def told(site: Site) -> tuple[str, list[str]]:
    service = site.service()
    return service.status_reason, service.observed.get("broken_rules", [])


def recorded(site: Site) -> list[tuple[str, int]]:
    found = site.db.read(lambda tx: events.of(tx, "RegionService", "default/kanto/web"))
    return [(event.spec.reason, event.spec.count) for event in found]


def test_a_rule_that_is_added_after_the_placement_is_told_until_it_holds(site: Site) -> None:
    run(site, "r1", "r1", rules=(POWER,))
    assert told(site) == ("", [])
    run(site, "r1", "r1")
    assert told(site) == (f"{BROKEN}; run resourcectl rebalance web", [BROKEN])
    assert recorded(site) == [("RulesBroken", 1)]

    version = site.service().resource_version
    site.advance()
    assert site.service().resource_version == version, "a step without news writes nothing"

    site._update(site.computes()[1], observed={"node": "r2-1", "rack": "r2"})
    site.advance()
    assert told(site) == ("", [])
    assert sorted(recorded(site)) == [("RulesBroken", 1), ("RulesKept", 1)]


def test_soft_rules_are_not_told(site: Site) -> None:
    run(site, "r1", "r1", rules=(POWER, {**RACK, "hard": False}))
    assert told(site) == ("", [])


def test_an_older_cluster_reports_no_labels_and_nothing_is_told_of_them(site: Site) -> None:
    run(site, "r1", "r2", node_label_filters={"disk": "ssd"})
    assert told(site) == ("", [])
    for item in site.computes():
        site._update(item, observed={**item.observed, "node_labels": {"disk": "hdd"}})
    site.advance()
    assert told(site)[1] == ["node_label_filters disk=ssd is violated: 2 on disk hdd"]


def test_several_are_counted_in_the_reason_and_listed_in_the_facts(site: Site) -> None:
    run(site, "r1", "r1", node_filters=["r1-0"])
    assert told(site) == (
        f"{BROKEN} (and 1 more); run resourcectl rebalance web",
        [BROKEN, "node_filters is violated: 1 on node r1-1"],
    )


def test_what_was_told_stays_in_the_facts_while_the_service_is_not_active(site: Site) -> None:
    run(site, "r1", "r1")
    site.cluster_says(Status.ERROR, "web-0", reason="no room")
    site.advance()
    assert told(site) == ("web-0: no room", [BROKEN])
    site.cluster_says(Status.ACTIVE)
    site.advance()
    assert recorded(site) == [("RulesBroken", 1)], "it was told before"
