"""A snapshot as a document: the whole of it comes back, and what is wrong is named.

That a loaded snapshot decides as the saved one does is shown with every history of ``test_books``.
"""

from __future__ import annotations

from typing import Any

import pytest

from controller.errors import InvalidInput
from controller.model.node import Capacity
from controller.schedule import Request, Snapshot, dump, load, load_present, load_requests
from tests.python.unit.schedule.clusters import cell, machine


def document() -> dict[str, Any]:
    nodes = [machine("a", cell(0), cell(1), zones={"rack": "r1"}, labels={"room": "x"}), machine("b", cell(0))]
    snapshot = Snapshot(nodes, [("web", "a"), ("web", "a"), ("db", "b")])
    snapshot.close(["b"], "rack is drained")
    return dump(snapshot, [Request("web-2", "web", 2, Capacity(vcpus=0.29), avoid=frozenset({"b"}))])


@pytest.mark.design("J10")
def test_everything_comes_back() -> None:
    saved = document()
    again = load(saved)
    assert dump(again, load_requests(saved)) == saved
    assert again.counts_by_node("web") == {0: 2}
    assert again.closed == ["", "rack is drained"]
    assert load_requests(saved)[0].need.vcpus == 0.29


@pytest.mark.design("J10")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda saved: saved.update(format=2), "format: Input should be 1"),
        (lambda saved: saved["nodes"][1].pop("name"), "nodes[1].name: is required"),
        (lambda saved: saved["nodes"][0]["total"].update(memory_mib=-1), "nodes[0].total.memory_mib: "),
        (lambda saved: saved["nodes"][1].update(name="a"), "nodes[1].name: a is given twice"),
        (lambda saved: saved["nodes"][0]["cells"][1].update(number=0), "nodes[0].cells: two have the same number"),
        (lambda saved: saved["standing"].update(web={"c": 1}), "standing.web.c: the node does not exist"),
        (lambda saved: saved["requests"][0].update(sort="x"), "requests[0].sort: unknown field"),
        (lambda saved: saved["nodes"][0]["total"].update(vcpus=float("inf")), "nodes[0].total.vcpus: inf is more than"),
        (lambda saved: saved["nodes"][1]["taken"].update(disk_gib=1 << 60), "nodes[1].taken.disk_gib: 1.15292e+18 is"),
        (
            lambda saved: saved["nodes"][0]["cells"][1]["total"].update(memory_mib=10**30),
            "nodes[0].cells[1].total.memory_mib: 1e+30 is more than any node has",
        ),
    ],
)
def test_a_bad_document_is_refused_with_the_path(change: Any, problem: str) -> None:
    saved = document()
    change(saved)
    with pytest.raises(InvalidInput) as refused:
        load(saved)
    assert any(str(each).startswith(problem) for each in refused.value.problems), refused.value


@pytest.mark.design("J10")
def test_a_file_of_before_there_was_a_format_is_read() -> None:
    share = {"size": {"vcpus": 1.0}, "cells": {"0": {"vcpus": 1.0}}, "cpus": [3]}
    there = {"index": 2, "need": {"vcpus": 1.0}, "machine_share": "Part", "share": share}
    node = {"name": "a", "total": {"vcpus": 4.0}, "taken": {"vcpus": 1.0}, "state": "Up", "schedulable": True}
    old = {
        "version": 1,
        "nodes": [{**node, "draining": False, "labels": {}, "zones": {}, "providers": [], "cells": []}],
        "services": {"web": [{**there, "node": "a"}, {**there, "node": "gone"}]},
    }
    snapshot, present = load(old), load_present(old)
    assert snapshot.counts_by_node("web") == {0: 1}
    assert snapshot.free[0][0] == 300
    assert [(each.index, each.node, each.share.cpus) for each in present["web"]] == [(2, "a", (3,)), (2, "gone", (3,))]
    assert load_present(dump(snapshot, present=present)) == present
