"""RPC messages, filters of lists, NetBox's answers and topologies: twice the input costs about twice the operations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc import aio

import controller.model  # noqa: F401  (registers the kinds)
from controller.cluster import owner_documents
from controller.cluster.agents.reports import apply_report
from controller.cluster.agents.service import _facts
from controller.errors import InvalidInput, Problem
from controller.model.assignment import Assignment, AssignmentRole, AssignmentSpec
from controller.model.registry import get
from controller.root.api import query as q
from controller.root.api.query import Query
from controller.root.reconcile import observed_state
from controller.rpc.errors import from_rpc_error, to_metadata
from controller.schedule import snapshot_json
from controller.store import selectors
from controller.wire import agent_pb2
from inventory_sync import mapping
from inventory_sync.translation import translate
from tests.python.operations import MOST, growth
from tests.python.unit.netbox.seen import MAPPING, cable, device, interface, seen

Make = Callable[[int], Any]

LABELS: dict[str, Make] = {
    "terms": lambda n: "a=b," * n,
    "commas": lambda n: "," * n,
    "commas before an open parenthesis": lambda n: "a," * n + "(",
    "values of a set": lambda n: "a in (" + "b," * n + "c)",
    "sets": lambda n: "a in (b,c)," * n,
    "open parentheses": lambda n: "(" * n,
    "blanks": lambda n: "a" + " " * n + "in (b",
    "a long key": lambda n: "a" * n,
}


@pytest.mark.parametrize("shape", LABELS)
def test_label_filters(shape: str) -> None:
    assert growth(LABELS[shape], selectors.parse_labels, 60) < MOST


@pytest.mark.parametrize(
    "make",
    [
        lambda n: [("label", "a=b")] * n,
        lambda n: [(f"unknown{i}", "x") for i in range(n)],
        lambda n: [("limit", "1")] * n,
        lambda n: [("label", "a" * n)],
    ],
)
def test_query_parameters(make: Make) -> None:
    assert growth(make, lambda given: Query(given, (q.LABEL, q.LIMIT)), 60) < MOST


# --- RPC


def region_service(number: int) -> bytes:
    kind = get("Compute")
    return json.dumps({**kind.example, "name": f"web-{number}"}).encode()


def observed(number: int) -> bytes:
    return json.dumps({"kind": "Node", "name": f"server{number}", "cluster": "tokyo1"}).encode()


REPORT = agent_pb2.ResourceReport(assignment="a", role="Owner", state="Running")
ASSIGNMENT = Assignment(
    name="a",
    cluster="tokyo1",
    spec=AssignmentSpec.model_construct(node="server1", role=AssignmentRole.OWNER, resource="x"),
)


def report(size: int) -> agent_pb2.ResourceReport:
    made = agent_pb2.ResourceReport()
    made.CopyFrom(REPORT)
    made.observed = json.dumps({f"k{number}": number for number in range(size)}).encode()
    return made


def hello(cells: int) -> agent_pb2.Hello:
    capacity = {"vcpus": 8, "memory_mib": 1024, "disk_gib": 10}
    numa = [{"cell": number, "cpus": [number], "memory_mib": 10} for number in range(cells)]
    return agent_pb2.Hello(node="server1", capacity=json.dumps({"capacity": capacity, "numa": numa}).encode())


def failed_call(problems: int) -> aio.AioRpcError:
    error = InvalidInput([Problem(f"spec.k{number}", "is bad") for number in range(problems)])
    sent: Any = to_metadata(error)
    return aio.AioRpcError(grpc.StatusCode.INVALID_ARGUMENT, aio.Metadata(), aio.Metadata(*sent), "bad", "")


MESSAGES: dict[str, tuple[Make, Callable[[Any], object]]] = {
    "desired state of a service": (
        lambda n: [region_service(number) for number in range(n)],
        lambda texts: owner_documents.parse("RegionService default/kanto/web", texts),
    ),
    "desired state with bad documents": (
        lambda n: [json.dumps({"kind": "Compute", **{f"k{i}": 1 for i in range(n)}}).encode()],
        lambda texts: owner_documents.parse("RegionService default/kanto/web", texts),
    ),
    "observed state": (
        lambda n: [observed(number) for number in range(n)],
        lambda texts: observed_state.parse("tokyo1", texts, ()),
    ),
    "deleted keys": (
        lambda n: [f"Node tokyo1/server{number}" for number in range(n)],
        lambda keys: observed_state.parse("tokyo1", (), keys),
    ),
    "an agent's report": (report, lambda sent: apply_report(ASSIGNMENT, sent)),
    "an agent's hello": (hello, _facts),
    "an error": (failed_call, from_rpc_error),
    "a schedule snapshot": (
        lambda n: {"nodes": [{"name": f"node-{number}"} for number in range(n)]},
        snapshot_json.load,
    ),
}


@pytest.mark.parametrize("message", MESSAGES)
def test_rpc_messages(message: str) -> None:
    make, read = MESSAGES[message]
    assert growth(make, read, 60) < MOST


# --- NetBox

RULES = mapping.parse(MAPPING)
COMMON = {"custom_fields": {}, "tags": [], "description": ""}
PLACE = {**COMMON, "site": {"id": 1, "slug": "dc1"}}


def chain(length: int) -> list[dict[str, Any]]:
    """Locations, each inside of the next one."""
    return [
        {**PLACE, "id": number, "name": f"L{number}", "slug": f"l{number}", "parent": {"id": number + 1}}
        for number in range(1, length)
    ] + [{**PLACE, "id": length, "name": "Floor", "slug": "floor", "parent": None}]


def circle(length: int) -> list[dict[str, Any]]:
    """Locations that NetBox would refuse: each inside of the next one, and the last in the first."""
    places = chain(length)
    places[-1]["parent"] = {"id": 1}
    return places


def end(kind: str, number: int, holder: int) -> dict[str, Any]:
    thing = {"id": number, "name": f"p{number}", "device": {"id": holder}}
    return {"object_type": f"dcim.{kind}", "object_id": number, "object": thing}


def path_through_panels(length: int) -> dict[str, list[dict[str, Any]]]:
    """A server, so many panels with trunks of two strands one behind the other, and a leaf."""
    fronts = [
        {
            "id": number,
            "positions": 2,
            "rear_ports": [{"position": at, "rear_port": 10**6 + number, "rear_port_position": at} for at in (1, 2)],
        }
        for number in range(length)
    ]
    rears = [{"id": 10**6 + number, "positions": 2} for number in range(length)]
    ends = [end("interface", 11, 1)]
    for number in range(length):
        ends += [end("frontport", number, 9), end("rearport", 10**6 + number, 9)]
    ends.append(end("interface", 21, 2))
    cables = [
        {"id": number, "a_terminations": [ends[2 * number]], "b_terminations": [ends[2 * number + 1]]}
        for number in range(length + 1)
    ]
    return {"front_ports": fronts, "rear_ports": rears, "cables": cables}


NETBOX: dict[str, Callable[[int], dict[str, list[dict[str, Any]]]]] = {
    "devices": lambda n: {"devices": [device(number, f"srv{number}", "server") for number in range(1, n)]},
    "devices of one name": lambda n: {"devices": [device(number, "srv", "server") for number in range(1, n)]},
    "devices of unknown roles": lambda n: {
        "devices": [device(number, f"s{number}", f"r{number}") for number in range(n)]
    },
    "locations in each other": lambda n: {"locations": chain(n)},
    "locations in a circle": lambda n: {"locations": circle(n)},
    "cables": lambda n: {
        "devices": [device(1, "srv", "server"), device(2, "leaf", "leaf")],
        "interfaces": [interface(number, 1 + number % 2, f"eth{number}") for number in range(n)],
        "cables": [cable(("interface", 1, f"a{number}"), ("interface", 2, f"b{number}")) for number in range(n)],
    },
    "a cable of many ends": lambda n: {
        "cables": [
            {
                "id": 1,
                "a_terminations": [end("interface", number, 1) for number in range(n)],
                "b_terminations": [end("interface", 10**6 + number, 2) for number in range(n)],
            }
        ]
    },
    "panels one behind the other": path_through_panels,
}


@pytest.mark.parametrize("answer", NETBOX)
def test_netbox_answers(answer: str) -> None:
    assert growth(lambda n: seen(**NETBOX[answer](n)), lambda snapshot: translate(snapshot, RULES), 80) < MOST
