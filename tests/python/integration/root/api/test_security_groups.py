"""SecurityGroups at the API: what is refused, what keeps one in use, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.python.integration.root.api.conftest import SERVICE, Api

GROUP = "/v1/security-groups/web"
OPEN = {"port": 80, "network": "0.0.0.0/0"}


def group(*ingress: dict[str, Any], name: str = "web", **given: Any) -> dict[str, Any]:
    return {"kind": "SecurityGroup", "name": name, "spec": {"ingress": list(ingress)}, **given}


def service(*groups: str, **given: Any) -> dict[str, Any]:
    return {**SERVICE, "spec": {**SERVICE["spec"], "security_groups": list(groups)}, **given}


async def test_a_group_is_made_named_by_a_service_and_then_kept_in_use(site: Api) -> None:
    assert (await site.put(GROUP, json={"spec": {"ingress": [OPEN]}})).status_code == 201
    assert (await site.get(GROUP)).json()["status"] == "Active"
    assert (await site.apply(service("web"))).status_code == 200
    refused = await site.delete(GROUP)
    assert refused.status_code == 409
    assert refused.json()["users"] == ["RegionService default/kanto/web"]
    changed = await site.put(GROUP, json={"spec": {"ingress": [OPEN, {"protocol": "ICMP", "group": "web"}]}})
    assert changed.status_code == 200, "a group may be a source of its own rules"
    assert (await site.apply(service())).status_code == 200
    assert (await site.delete(GROUP)).status_code == 204


async def test_a_group_that_another_one_names_is_in_use(site: Api) -> None:
    assert (await site.apply(group(name="front"), group({"group": "front"}))).status_code == 200
    assert (await site.delete("/v1/security-groups/front")).json()["users"] == ["SecurityGroup default/web"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"port": 80}, "one source"),
        ({"port": 80, "network": "10.0.0.0/8", "group": "web"}, "found network and group"),
        ({"end_port": 80, "network": "10.0.0.0/8"}, "end_port needs port"),
        ({"port": 80, "end_port": 79, "network": "10.0.0.0/8"}, "end_port 79 is below port 80"),
        ({"protocol": "ICMP", "port": 8, "network": "10.0.0.0/8"}, "ICMP has no ports"),
        ({"port": 0, "network": "10.0.0.0/8"}, "greater than or equal to 1"),
        ({"port": 80, "network": "10.0.0.1/8"}, "network"),
        ({"protocol": "tcp", "network": "10.0.0.0/8"}, "'TCP'"),
        ({"group": "unknown"}, "SecurityGroup default/unknown does not exist"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused_with_its_place(
    site: Api, rule: dict[str, Any], message: str
) -> None:
    answer = await site.put(GROUP, json={"spec": {"ingress": [OPEN, rule]}})
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["path"].startswith("spec.ingress[1]") or problem["path"].startswith("spec.ingress.1")
    assert message in problem["message"]
    assert (await site.get(GROUP)).status_code == 404


async def test_a_service_names_groups_of_its_own_project_once(site: Api) -> None:
    await site.apply({"kind": "Project", "name": "shop"}, group(OPEN, project="shop"))
    refused = await site.apply(service("web"))
    assert "SecurityGroup default/web does not exist" in refused.text
    assert (await site.apply(service("web", project="shop"))).status_code == 200
    twice = await site.apply(service("web", "web", project="shop"))
    assert "names must differ" in twice.text


async def test_groups_belong_to_projects_and_tell_nothing_of_others(site: Api, as_token: Callable[..., Api]) -> None:
    await site.apply({"kind": "Project", "name": "shop"}, {"kind": "Project", "name": "secret"}, group(OPEN))
    async with as_token("operator", "shop") as shop:
        assert (await shop.get(GROUP)).status_code == 403
        assert (await shop.put(GROUP, json={"spec": {}})).status_code == 403
        for name in ("secret", "no-such-project"):
            answer = await shop.put(GROUP, json={"spec": {"ingress": [{"project": name}]}}, params={"project": "shop"})
            assert answer.status_code in (200, 201), "whether a project exists is not told"
        assert (await shop.get(GROUP, params={"project": "shop"})).json()["observed"] == {}
    async with as_token("viewer", "shop") as viewer:
        assert (await viewer.get(GROUP, params={"project": "shop"})).status_code == 200
        assert (await viewer.delete(GROUP, params={"project": "shop"})).status_code == 403
