"""What a newer server has filled is nobody's change; what somebody has changed still is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import pytest
from pydantic import Field

from controller.cli.filled_fields import is_as_applied
from controller.model.envelope import Part


class _Port(Part):
    network: str
    mtu: int = 1500
    modes: tuple[str, ...] = Field(default_factory=tuple)


class _Spec(Part):
    pair: _Port | None = None
    ports: Annotated[tuple[_Port, ...], Field(max_length=4)] = ()
    tags: dict[str, str] = Field(default_factory=dict)
    retries: int = 3


class _Thing(Part):
    spec: _Spec


def _walk(path: str, value: Any) -> Iterator[tuple[str, str]]:
    yield path, repr(value)
    inner = value.items() if isinstance(value, dict) else ()
    for name, one in inner:
        yield from _walk(f"{path}.{name}", one)
    for index, one in enumerate(value if isinstance(value, list) else ()):
        yield from _walk(f"{path}[{index}]", one)


OLD: Mapping[str, Any] = {"pair": {"network": "a"}, "ports": [{"network": "a"}, {"network": "b"}], "tags": {"x": "1"}}
"""As a client applied it that knew neither mtu, modes nor retries."""
NEW = {"mtu": 1500, "modes": []}


def unchanged(path: str, value: Any) -> bool:
    return is_as_applied(_Thing, path, value, dict(_walk("spec", OLD)), repr)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.retries", 3),
        ("spec.ports[0].mtu", 1500),
        ("spec.ports[0].modes", []),
        ("spec.ports[1]", {"network": "b", **NEW}),
        ("spec.ports", [{"network": "a", **NEW}, {"network": "b", **NEW}]),
        ("spec.pair", {"network": "a", **NEW}),
        ("spec.pair", {"network": "a", "of_a_later_version": 7}),
        ("spec.tags.x", "1"),
        ("spec.tags.y", None),
    ],
)
def test_what_was_filled_is_as_applied(path: str, value: Any) -> None:
    assert unchanged(path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.retries", 4),
        ("spec.ports[0].mtu", 9000),
        ("spec.ports[1]", {"network": "b", "mtu": 9000}),
        ("spec.ports[1]", {"mtu": 1500}),
        ("spec.ports[2]", {"network": "c"}),
        ("spec.ports", [{"network": "a"}]),
        ("spec.ports", [{"network": "a"}, {"network": "b"}, {"network": "c"}]),
        ("spec.pair", {"network": "b", **NEW}),
        ("spec.pair", None),
        ("spec.tags.x", "2"),
        ("spec.tags.y", "1"),
        ("spec.tags", {"x": "1", "y": "1"}),
        ("spec.of_a_later_version", 7),
    ],
)
def test_what_somebody_has_changed_is_not(path: str, value: Any) -> None:
    assert not unchanged(path, value)
