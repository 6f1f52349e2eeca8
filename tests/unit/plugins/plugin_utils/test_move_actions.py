# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rebalance and a drain of several nodes that are waited for, against answers given by hand."""

from __future__ import annotations

import pytest
from ansible_collections.resource.infra.plugins.module_utils.client import ApiError
from ansible_collections.resource.infra.plugins.plugin_utils import actions, move_actions
from ansible_collections.resource.infra.plugins.plugin_utils.task import Task, WaitTimeout

MOVES = [
    {"resource": "default/kanto/web-0", "from": "server1", "to": "server2", "why": ""},
    {"resource": "default/kanto/web-1", "from": "server1", "to": "server2", "why": ""},
]


class Clock:
    """Time that passes only where it is slept."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Api:
    """Answers writes with ``written``, lists with one of ``lists`` after the other, the last one for ever."""

    def __init__(self, written, *lists):
        self.written, self.lists, self.asked = written, list(lists), []

    def request(self, method, path, *, query=None, body=None):
        self.asked.append((method, path))
        if method == "POST":
            return 202, self.written
        if path.endswith(("/computes", "/assignments")):
            items = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            return 200, {"items": items, "next_after": None}
        return 200, {"name": path.rpartition("/")[2], "spec": {}}


def compute(name, done, **observed):
    return {"name": name, "spec": {"migrations": 1}, "observed": {"migrations": int(done), **observed}}


def task_of(module, api, check=False, **options):
    given = {"api_url": "http://127.0.0.1:1", "api_token": "rs_some", "wait": True, **options}
    task = Task(module, given, check=check, clock=Clock())
    task.client = api
    return task


def rebalance(*lists):
    api = Api({"moves": MOVES, "blocked": [], "message": ""}, *lists)
    return task_of("region_service_rebalance", api, region="kanto", name="web", wait_timeout=30)


def test_every_move_is_waited_for_and_one_that_failed_is_a_warning():
    failed = {"migration_failed": {"reason": "no room", "target": "server2"}, "node": "server1"}
    task = rebalance(
        [compute("web-0", True, node="server2"), compute("web-1", False), compute("web-2", False)],
        [compute("web-0", True, node="server2"), compute("web-1", True, migrating_to="server2")],
        [compute("web-0", True, node="server2"), compute("web-1", True, **failed), compute("web-2", False)],
    )
    result = move_actions.move(task)
    assert (result["changed"], result["resource"]["name"]) == (True, "web")
    assert result["diff"]["after"] == {move["resource"]: "server2" for move in MOVES}
    assert task.warnings == ["Compute web-1 did not move to server2: no room"]
    assert task.client.asked.count(("GET", "/v1/regions/kanto/computes")) == 3


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"migration_failed": None},
        {"migration_failed": {"reason": "no room", "target": "server3"}},
        {"migration_failed": {"reason": "it is on server1 already"}},
    ],
)
def test_a_move_that_was_dropped_is_a_warning_without_the_reason_of_another_move(kept):
    task = rebalance([compute("web-0", True, node="server1", **kept), compute("web-1", True, node="server2", **kept)])
    move_actions.move(task)
    assert task.warnings == ["Compute web-0 did not move to server2: see its events"]


class Nothing:
    """An API in which nothing exists."""

    def request(self, method, path, *, query=None, body=None):
        raise ApiError(404, "not_found", f"{path} does not exist")


@pytest.mark.parametrize(
    ("module", "options", "promised"),
    [
        ("cluster_drain", {"name": "tokyo1", "nodes": ["server1"]}, {"nodes", "plan"}),
        ("cluster_cancel_drain", {"name": "tokyo1", "nodes": ["server1"]}, {"nodes"}),
        ("region_service_rebalance", {"region": "kanto", "name": "web"}, {"plan"}),
        ("node_drain", {"cluster": "tokyo1", "name": "server1"}, {"plan"}),
    ],
)
def test_what_the_play_is_to_create_has_the_results_of_check_mode_empty(module, options, promised):
    task = task_of(module, Nothing(), check=True, **options)
    run = actions.act if module == "node_drain" else move_actions.move
    result = run(task)
    assert set(result) == {"changed", "resource", "unresolved", *promised}
    assert result.get("nodes", []) == []
    assert result.get("plan", {"moves": []})["moves"] == []


def test_moves_that_do_not_end_are_a_failure_of_a_task_that_wrote():
    task = rebalance([compute("web-0", False)])
    with pytest.raises(WaitTimeout, match=r"RegionService default/kanto/web: its Computes did not move within 30 s"):
        move_actions.move(task)
    assert task.wrote


def test_a_drain_of_several_nodes_ends_when_all_are_empty_also_those_that_drained_before():
    steps = [{"key": "tokyo1/server1", "action": "unchanged"}, {"key": "tokyo1/server2", "action": "update"}]
    options = {"name": "tokyo1", "nodes": ["server1", "server2"], "wait_timeout": 30}
    task = task_of("cluster_drain", Api({"results": steps}, [{}], [], [{}], [], []), **options)
    result = move_actions.move(task)
    assert (result["nodes"], task.wrote) == (["server2"], True)
    late = task_of("cluster_drain", Api({"results": steps}, [{}]), **options)
    with pytest.raises(WaitTimeout, match=r"Cluster tokyo1: nodes did not become empty within 30 s"):
        move_actions.move(late)
