"""Bodies and manifests: twice the input costs at most about twice the operations, whatever its shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import controller.model  # noqa: F401  (registers the kinds)
from controller.model import document
from controller.root.api import documents
from controller.root.api.request_body import parsed
from tests.python.operations import MOST, growth

REGION = {"kind": "Region", "name": "kanto"}
SERVICE = {"kind": "RegionService", "name": "web", "region": "kanto", "spec": {"replicas": 1}}
MACHINE = {"kind": "PhysicalResource", "name": "s", "datacenter": "t"}
PLUG = {"inlet": "1", "source": "pdu", "outlet": "1"}

SHAPES: dict[str, Callable[[int], str]] = {
    "documents": lambda n: "---\nkind: Region\nname: kanto\n" * n,
    "empty documents": lambda n: "---\n" * n,
    "keys": lambda n: "".join(f"k{i}: 1\n" for i in range(n)),
    "a key twice": lambda n: "".join(f"k{i}: 1\n" for i in range(n)) + "k0: 2",
    "nested lists": lambda n: "[" * n,
    "nested lists that end": lambda n: "[" * n + "]" * n,
    "nested mappings": lambda n: "{a: " * n,
    "indentation": lambda n: "\n".join(" " * i + "a:" for i in range(n // 4)),
    "sequence marks": lambda n: "- " * n,
    "key marks": lambda n: "? " * n,
    "anchors": lambda n: "".join(f"- &a{i} x\n" for i in range(n)),
    "aliases": lambda n: "- &a x\n" + "- *a\n" * n,
    "an anchor many times": lambda n: "- &a x\n" * n,
    "merges of one": lambda n: "a: &a {x: 1}\nb:\n  <<: [" + "*a," * n + "]",
    "merges": lambda n: "a: &a {x: 1}\n" + "".join(f"k{i}: {{<<: *a, y: {i}}}\n" for i in range(n)),
    "bombs": lambda n: "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(n)),
    "tags": lambda n: "".join(f"- !t{i} x\n" for i in range(n)),
    "directives": lambda n: "%TAG !e! tag:x,2000:\n" * n + "--- a",
    "a long text": lambda n: "a: " + "x" * n,
    "a long number": lambda n: "a: " + "1" * n,
    "a long fraction": lambda n: "a: 1." + "1" * n,
    "escapes": lambda n: 'a: "' + "\\n" * n + '"',
    "an open quote": lambda n: 'a: "' + "x\n" * n,
    "a block": lambda n: "a: |\n" + "  x\n" * n,
    "comments": lambda n: "# x\n" * n,
    "spaces": lambda n: " " * n,
    "complex keys": lambda n: "".join(f"? [a, {i}]\n: x\n" for i in range(n)),
    "NULs": lambda n: "a: [" + '"\\0",' * n + "]",
    "JSON": lambda n: json.dumps([REGION] * n),
    "JSON keys": lambda n: json.dumps({f"k{i}": 1 for i in range(n)}),
    "JSON with a key twice": lambda n: "{" + "".join(f'"k{i}": 1,' for i in range(n)) + '"k0": 2}',
    "nested JSON": lambda n: '{"a":' * n + "1" + "}" * n,
    "JSON of a long number": lambda n: '{"a": ' + "1" * n + "}",
    "JSON that is flow style": lambda n: "{" + "".join(f"k{i}: 1, " for i in range(n)) + "}",
    "half of JSON": lambda n: "[" + '{"a": 1},' * n,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("media_type", ["application/json", "application/yaml", ""])
def test_a_body_is_read_in_linear_time(shape: str, media_type: str) -> None:
    def read(text: bytes) -> object:
        return parsed(text, media_type)

    assert growth(lambda n: SHAPES[shape](n).encode(), read, 100) < MOST


RAWS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "documents": lambda n: [REGION] * n,
    "documents without a kind": lambda n: [{"name": "a"}] * n,
    "documents of unknown kinds": lambda n: [{"kind": f"K{i}"} for i in range(n)],
    "labels": lambda n: [{**REGION, "labels": {f"k{i}": "v" for i in range(n)}}],
    "bad labels": lambda n: [{**REGION, "labels": {f"k {i}": "v" for i in range(n)}}],
    "unknown fields": lambda n: [{**REGION, **{f"k{i}": "v" for i in range(n)}}],
    "unknown fields of the spec": lambda n: [{**REGION, "spec": {f"k{i}": "v" for i in range(n)}}],
    "a long name": lambda n: [{"kind": "Region", "name": "a" * n}],
    "a deep value": lambda n: [{**REGION, "labels": _deep(min(n, 900))}],
    "filters": lambda n: [
        {
            **SERVICE,
            "spec": {"compute": {"schedule_policy": {"node_filters": [f"n{i}" for i in range(n)]}}},
        }
    ],
    "links": lambda n: [{**MACHINE, "spec": {"role": "Server", "power_links": [PLUG] * n}}],
    "texts for truth values": lambda n: [
        {**MACHINE, "spec": {"role": "Server", "power_links": [{**PLUG, "split": "true"}] * n}}
    ],
    "bad elements": lambda n: [{**MACHINE, "spec": {"role": "Server", "network_links": [{"split": 3}] * n}}],
}


@pytest.mark.parametrize("shape", RAWS)
@pytest.mark.parametrize("read", [document.parse_all, documents.keys_of], ids=["parse_all", "keys_of"])
def test_documents_are_checked_in_linear_time(shape: str, read: Callable[[Any], object]) -> None:
    assert growth(RAWS[shape], read, 60) < MOST


def _deep(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


PIECES = ["- ", "? ", ": ", "[", "]", "{", "}", ",", "a", "1", '"', "'", "&a ", "*a ", "<<: *a", "!t ", "|\n", "#", " "]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([*PIECES, "\n", "---\n", "x: ", "  "]), min_size=1, max_size=8).map("".join))
def test_any_repeated_piece_is_read_in_linear_time(piece: str) -> None:
    assert growth(lambda n: (piece * n).encode(), lambda text: parsed(text, ""), 40) < MOST
