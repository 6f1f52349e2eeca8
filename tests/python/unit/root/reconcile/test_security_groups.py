"""What a cluster gets to know of SecurityGroups, and when it is told again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import pytest

from controller.clock import VirtualClock
from controller.model import document
from controller.model.envelope import Status
from controller.model.region_service import REGION_SERVICE, RegionService
from controller.model.registry import key_of
from controller.model.security_group import SECURITY_GROUP, SecurityGroup
from controller.root.reconcile import desired_state_reader, security_groups
from controller.root.reconcile.desired_state import Owner
from controller.root.reconcile.security_groups import GroupWatch
from controller.store import changes, resources
from controller.store.database import Database, Tier
from tests.python.unit.root.site import POWER, Site

TEMPLATE = {"flavor": "small", "image": "guest", "schedule_policy": {"rules": [POWER]}}
OWNER = "SecurityGroup default/web"


class Groups(Site):
    """The site with groups."""

    def put_group(self, *ingress: dict[str, Any], name: str = "web", project: str = "default") -> SecurityGroup:
        raw = {"kind": "SecurityGroup", "name": name, "project": project, "spec": {"ingress": list(ingress)}}
        asked = cast(SecurityGroup, document.parse(raw))

        def write(tx: Any) -> list[SecurityGroup]:
            known = resources.find(tx, key_of(asked))
            if known is None:
                return resources.insert(tx, [asked])
            return resources.update(tx, [known.model_copy(update={"spec": asked.spec})])

        return self.db.write(write)[0]

    def put_groups(self, *names: str, replicas: int = 2) -> None:
        self.put_spec({"replicas": replicas, "compute": TEMPLATE, "security_groups": list(names)})
        self.advance()

    def other_service(self, name: str, project: str, cluster: str, *groups: str, address: int) -> None:
        """A service of another project or cluster, with one Compute that has an address."""
        spec = {"replicas": 1, "compute": TEMPLATE, "security_groups": list(groups)}
        raw = {"kind": "RegionService", "name": name, "region": "kanto", "project": project, "spec": spec}
        made = document.parse(raw).model_copy(update={"observed": {"cluster": cluster}})

        def write(tx: Any) -> None:
            resources.insert(tx, [made])
            values = ("tokyo9/other", address, f"52:54:00:00:00:{address:02x}", "Compute", f"{project}/kanto/{name}-0")
            tx.connection.exec_driver_sql(
                "insert into address (network, value, mac, owner_kind, owner, owner_uid) values (?, ?, ?, ?, ?, '')",
                values,
            )

        self.db.write(write)

    def owner(self, cluster: str = "tokyo1", name: str = OWNER) -> Owner:
        return self.db.read(lambda tx: desired_state_reader.owners(tx, cluster, [name]))[0]

    def observed(self, cluster: str = "tokyo1", name: str = OWNER) -> Any:
        (text,) = self.owner(cluster, name).documents
        return json.loads(text)["observed"]

    def names(self) -> list[str]:
        return self.db.read(lambda tx: desired_state_reader.names(tx, "tokyo1"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Groups]:
    db = Database(f"sqlite:///{tmp_path}/root.sqlite", tier=Tier.ROOT, clock=VirtualClock())
    db.upgrade()
    yield Groups(db)
    db.close()


def numbers(*addresses: str) -> list[int]:
    return [int(IPv4Address(address)) for address in addresses]


def test_a_cluster_gets_the_groups_that_its_services_name_with_the_addresses_of_their_sources(site: Groups) -> None:
    site.put_group({"group": "web", "port": 80}, {"project": "shop", "port": 81}, {"network": "192.0.2.0/24"})
    site.put_group(name="unused")
    site.put_groups("web")
    site.other_service("api", "default", "osaka1", "web", address=7)
    site.other_service("web-2", "default", "osaka1", address=8)  # no member, though its name begins with a member's
    site.other_service("db", "shop", "osaka1", address=9)
    site.other_service("db", "shop-2", "osaka1", address=10)
    assert site.names() == ["RegionService default/kanto/web", OWNER]
    assert site.observed() == {
        "services": ["default/kanto/web"],
        "sources": {
            "group default/web": [7, *numbers("172.16.10.10", "172.16.10.11")],
            "project shop": [9],
        },
    }
    assert site.observed("osaka1")["services"] == ["default/kanto/api"], "each cluster gets its own services"


def test_a_group_that_no_service_of_the_cluster_names_is_deleted_there(site: Groups) -> None:
    site.put_group()
    site.put_groups("web")
    assert not site.owner().deleted
    assert site.owner("osaka1").deleted
    site.put_groups()
    assert site.owner().deleted
    assert site.names() == ["RegionService default/kanto/web"]


def test_the_digest_follows_members_and_rules_and_nothing_else(site: Groups) -> None:
    site.put_group({"group": "web"})
    site.put_groups("web")
    before = site.owner().digest
    site.put_groups("web")
    assert site.owner().digest == before
    site.put_groups("web", replicas=3)
    grown = site.owner().digest
    assert grown != before
    site.put_group({"group": "web", "port": 80})
    assert site.owner().digest != grown


def test_a_change_of_groups_alone_touches_no_compute(site: Groups) -> None:
    site.put_group()
    site.put_groups()
    site.cluster_takes_in()
    before = {item.name: item.resource_version for item in site.computes()}
    site.put_groups("web")
    assert {item.name: item.resource_version for item in site.computes()} == before


def test_groups_are_concerned_by_changes_in_projects_that_they_name(site: Groups) -> None:
    site.put_group({"project": "shop"})
    site.put_group({"group": "web"}, project="shop", name="web")
    site.put_group({"network": "0.0.0.0/0"}, name="open")

    def concerned(*projects: str) -> list[str]:
        return sorted(site.db.read(lambda tx: security_groups.concerned(tx, frozenset(projects))))

    assert concerned("shop") == ["SecurityGroup default/web", "SecurityGroup shop/web"]
    assert concerned("default") == ["SecurityGroup default/open", "SecurityGroup default/web"]
    assert concerned("other") == []


def test_only_changes_that_may_change_a_source_are_followed(site: Groups) -> None:
    watch = GroupWatch()
    seen = site.db.read(changes.head)

    def news() -> frozenset[str]:
        nonlocal seen
        found = site.db.read(lambda tx: changes.since(tx, seen))
        seen = site.db.read(changes.head)
        return watch.take(found)

    site.put_group()
    assert news() == {"default"}
    site.put_groups("web")
    assert news() == {"default"}
    site.cluster_takes_in()
    site.cluster_says(Status.ACTIVE)
    service = site.service()
    site.db.write(lambda tx: resources.update(tx, [service.model_copy(update={"status_reason": "busy"})]))
    assert news() == frozenset(), "a status changes no source"
    site.put_groups()
    assert news() == {"default"}, "it names the group no more"


def test_services_name_their_groups_once() -> None:
    raw = {**REGION_SERVICE.example, "spec": {**REGION_SERVICE.example["spec"], "security_groups": ["b", "a"]}}
    service = cast(RegionService, document.parse(raw))
    assert security_groups.named([service, service]) == [SECURITY_GROUP.key("b"), SECURITY_GROUP.key("a")]
