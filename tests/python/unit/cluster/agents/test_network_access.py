"""What each node gets to know of who may connect: no more than its machines need."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

import pytest

from controller.cluster.agents.network_access import AccessIndex
from controller.model.assignment import Assignment
from controller.model.security_group import SecurityGroup
from controller.store.changes import Change, Verb
from controller.wire.agent_pb2 import NetworkAccess

AT = datetime(2026, 1, 1, tzinfo=UTC)
NODES = [f"n{number}" for number in range(1, 6)]
WEB, DB = "default/kanto/web", "shop/kanto/db"


def assignment(name: str, node: str, service: str, *addresses: str, kind: str = "Compute") -> Assignment:
    project, region, plain = service.split("/")
    interfaces = [{"network": "n", "address": address} for address in addresses]
    spec: dict[str, Any] = {
        "resource_kind": kind,
        "resource": f"{project}/{region}/{plain}-0",
        "resource_uid": f"u-{name}",
        "node": node,
        "role": "Owner",
        "revision": 1,
        "desired": {"service": plain, "interfaces": interfaces},
    }
    return Assignment.model_validate({"name": name, "cluster": "tokyo1", "spec": spec})


def group(name: str, *ingress: dict[str, Any], services: tuple[str, ...] = (), version: int = 1, **sources: Any) -> Any:
    observed = {"services": services, "sources": {key.replace("_", " "): value for key, value in sources.items()}}
    return SecurityGroup.model_validate(
        {
            "name": name,
            "spec": {"ingress": list(ingress)},
            "observed": observed,
            "resource_version": version,
        }
    )


def change(row: SecurityGroup, verb: Verb = Verb.UPDATED) -> Change:
    path = f"{row.project}/{row.name}"
    return Change(row.resource_version, verb, "SecurityGroup", path, row.model_dump_json(), AT)


def shown(access: NetworkAccess) -> dict[str, Any]:
    return {
        "services": {
            each.service: ([str(IPv4Address(one)) for one in each.members], list(each.groups))
            for each in access.services
        },
        "groups": [each.group for each in access.groups],
        "sources": {each.source: list(each.addresses) for each in access.sources},
    }


@pytest.fixture
def index() -> AccessIndex:
    made = AccessIndex([group("web", {"project": "shop", "port": 80}, services=(WEB,), project_shop=[5, 3])])
    made.put(assignment("a", "n1", WEB, "10.0.0.1"))
    made.put(assignment("b", "n2", WEB, "10.0.0.2"))
    made.put(assignment("c", "n3", DB, "10.0.0.3"))
    return made


def test_a_node_gets_its_services_with_all_members_and_their_groups_and_nothing_of_others(index: AccessIndex) -> None:
    assert index.touched
    assert index.later() == {"n1", "n2", "n3"}
    assert not index.touched
    assert shown(index.of("n1")) == {
        "services": {WEB: (["10.0.0.1", "10.0.0.2"], ["default/web"])},
        "groups": ["default/web"],
        "sources": {"project shop": [3, 5]},
    }
    assert shown(index.of("n3")) == {"services": {DB: (["10.0.0.3"], [])}, "groups": [], "sources": {}}
    assert shown(index.of("n9")) == {"services": {}, "groups": [], "sources": {}}


def tell_all(index: AccessIndex) -> None:
    for node in NODES:
        index.of(node)


def taken(index: AccessIndex) -> set[str]:
    """The nodes that have news, which they get."""
    found = index.later()
    for node in found:
        assert index.differs(node)
        index.of(node)
    assert not any(index.differs(node) for node in found)
    return found | {node for node in NODES if index.differs(node) and index.of(node)}


def test_only_nodes_of_a_changed_service_have_news(index: AccessIndex) -> None:
    tell_all(index)
    assert taken(index) == set()
    index.put(assignment("d", "n4", WEB, "10.0.0.4"))
    assert taken(index) == {"n1", "n2", "n4"}
    index.put(assignment("d", "n4", WEB, "10.0.0.4"))
    assert taken(index) == set(), "the same again"
    index.drop("n4", "d")
    assert taken(index) == {"n1", "n2", "n4"}
    assert shown(index.of("n4"))["services"] == {}
    index.drop("n4", "d")
    index.put(assignment("e", "n5", WEB, "10.0.0.9", kind="Loadbalancer"))
    assert taken(index) == set()


def test_a_machine_that_moves_is_one_member_and_both_nodes_know_its_service(index: AccessIndex) -> None:
    tell_all(index)
    index.put(assignment("a2", "n3", WEB, "10.0.0.1"))
    assert taken(index) == {"n1", "n2", "n3"}
    assert shown(index.of("n3"))["services"] == {
        WEB: (["10.0.0.1", "10.0.0.2"], ["default/web"]),
        DB: (["10.0.0.3"], []),
    }
    index.drop("n1", "a")
    assert taken(index) == {"n1", "n2", "n3"}
    assert shown(index.of("n1"))["services"] == {}
    assert shown(index.of("n3"))["services"][WEB][0] == ["10.0.0.1", "10.0.0.2"]


def test_groups_come_change_and_end(index: AccessIndex) -> None:
    tell_all(index)
    more = group("more", {"group": "more"}, services=(WEB, DB), version=2, **{"group_default/more": [1]})
    index.take(change(more, Verb.CREATED))
    assert taken(index) == {"n1", "n2", "n3"}
    assert shown(index.of("n3"))["sources"] == {"group default/more": [1]}
    fewer = group("more", {"group": "more"}, services=(WEB,), version=3, **{"group_default/more": [1, 2]})
    index.take(change(fewer))
    assert taken(index) == {"n1", "n2", "n3"}
    assert shown(index.of("n3"))["groups"] == []
    assert shown(index.of("n1"))["sources"]["group default/more"] == [1, 2]
    index.take(change(fewer, Verb.DELETED))
    assert taken(index) == {"n1", "n2"}
    assert shown(index.of("n1"))["groups"] == ["default/web"]


def test_of_two_groups_the_later_one_says_who_is_in_a_source(index: AccessIndex) -> None:
    index.take(change(group("b", {"project": "shop"}, services=(WEB,), version=7, project_shop=[5])))
    assert shown(index.of("n1"))["sources"] == {"project shop": [5]}
    index.take(change(group("b", {"project": "shop"}, services=(WEB,), version=0, project_shop=[5])))
    assert shown(index.of("n1"))["sources"] == {"project shop": [3, 5]}
