"""One suite over both HTTP clients of the API: the same requests, and the same words for the same refusals."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from controller import errors
from controller.cli import exit_codes
from controller.client import Client
from controller.model import registry
from tests.python.integration.cli.conftest import Server, Shell, clusters, db, empty_shell, server, shell, url

__all__ = ["clusters", "db", "empty_shell", "server", "shell", "url"]

ROOT = Path(__file__).parents[4]
DOCUMENTS: list[dict[str, Any]] = [
    {"kind": "Datacenter", "name": "tokyo"},
    {"kind": "Floor", "name": "f1", "datacenter": "tokyo"},
    {"kind": "Rack", "name": "r1", "datacenter": "tokyo", "labels": {"a": "b"}, "spec": {"floor": "f1"}},
]


class RefusedError(Exception):
    """What a client says of a refusal, in one line."""


class Caller(Protocol):
    """The calls that both can make."""

    def apply(self, documents: list[dict[str, Any]]) -> list[str]: ...
    def plan(self, documents: list[dict[str, Any]]) -> list[str]: ...
    def get(self, rack: str) -> dict[str, Any]: ...
    def put(self, document: dict[str, Any], version: int) -> dict[str, Any]: ...
    def racks(self, label: str) -> list[str]: ...
    def delete(self, floor: str) -> None: ...


@dataclass
class Ours:
    """``controller.client``."""

    client: Client

    def apply(self, documents: list[dict[str, Any]]) -> list[str]:
        return [result["action"] for result in self._try(lambda: self.client.apply(documents))]

    def plan(self, documents: list[dict[str, Any]]) -> list[str]:
        return [change["action"] for change in self._try(lambda: self.client.plan(documents))["changes"]]

    def get(self, rack: str) -> dict[str, Any]:
        found: dict[str, Any] = self._try(lambda: self.client.get(registry.get("Rack").key("tokyo", rack)))
        return found

    def put(self, document: dict[str, Any], version: int) -> dict[str, Any]:
        stored: dict[str, Any] = self._try(lambda: self.client.put(document, if_match=version))
        return stored

    def racks(self, label: str) -> list[str]:
        return [rack["name"] for rack in self.client.list("Rack", "tokyo", labels=[label])]

    def delete(self, floor: str) -> None:
        self._try(lambda: self.client.delete(registry.get("Floor").key("tokyo", floor)))

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except errors.ResourceError as error:
            lines = [line.strip() for line in exit_codes.lines(error)]
            raise RefusedError(", ".join(lines) if isinstance(error, errors.Conflict) else "; ".join(lines)) from error


@dataclass
class Collections:
    """The collection's."""

    module: Any
    client: Any

    def apply(self, documents: list[dict[str, Any]]) -> list[str]:
        return [result["action"] for result in self._ask("POST", "/v1/apply", body=documents)["results"]]

    def plan(self, documents: list[dict[str, Any]]) -> list[str]:
        answer = self._ask("POST", "/v1/apply", query={"dry_run": "true"}, body=documents)
        return [change["action"] for change in answer["changes"]]

    def get(self, rack: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("GET", f"/v1/datacenters/tokyo/racks/{rack}")
        return found

    def put(self, document: dict[str, Any], version: int) -> dict[str, Any]:
        path, match = f"/v1/datacenters/tokyo/racks/{document['name']}", {"If-Match": f'"{version}"'}
        stored: dict[str, Any] = self._ask("PUT", path, body=document, headers=match)
        return stored

    def racks(self, label: str) -> list[str]:
        answer = self._ask("GET", "/v1/datacenters/tokyo/racks", query=[("label", label), ("limit", "10")])
        return [rack["name"] for rack in answer["items"]]

    def delete(self, floor: str) -> None:
        self._ask("DELETE", f"/v1/datacenters/tokyo/floors/{floor}")

    def _ask(self, *words: str, **more: Any) -> Any:
        try:
            return self.client.request(*words, **more)[1]
        except (self.module.ApiError, self.module.Unreachable) as error:
            raise RefusedError(str(error)) from error


@pytest.fixture
def collections(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The collection's client module, without ansible's loader."""
    monkeypatch.syspath_prepend(str(ROOT / "plugins" / "module_utils"))
    yield importlib.import_module("client")
    del sys.modules["client"]


@pytest.fixture(params=["controller", "collection"])
def caller(request: pytest.FixtureRequest, shell: Shell, server: Server, collections: Any) -> Iterator[Caller]:
    token = (shell.folder / "admin.token").read_text().strip()
    if request.param == "controller":
        with Client(server.url, token=token) as client:
            yield Ours(client)
        return
    other = collections.Client(server.url, token)
    yield Collections(collections, other)
    other.close()


def test_documents_are_planned_written_and_found(caller: Caller) -> None:
    assert caller.plan(DOCUMENTS) == ["create"] * 3
    assert caller.apply(DOCUMENTS) == ["create"] * 3
    assert caller.apply(DOCUMENTS) == ["unchanged"] * 3
    assert (caller.racks("a=b"), caller.racks("a=c")) == (["r1"], [])


def test_stale_version_is_refused(caller: Caller) -> None:
    caller.apply(DOCUMENTS)
    version = caller.get("r1")["resource_version"]
    changed = caller.put({**DOCUMENTS[2], "labels": {}}, version)
    assert changed["resource_version"] > version
    with pytest.raises(RefusedError, match=r"^Rack tokyo/r1 has resource_version \d+, not \d+$"):
        caller.put(DOCUMENTS[2], version)


def test_refusals_name_fields_and_users(caller: Caller) -> None:
    bad = [{"kind": "Rack", "name": "r", "datacenter": "tokyo", "spec": {"floors": 1}}]
    with pytest.raises(RefusedError) as caught:
        caller.apply(bad)
    assert str(caught.value) == r"[0].spec.floor: is required; [0].spec.floors: unknown field"
    caller.apply(DOCUMENTS)
    with pytest.raises(RefusedError) as caught:
        caller.delete("f1")
    assert str(caught.value).startswith("Floor tokyo/f1 is in use, used by Rack tokyo/r1")


def test_what_is_not_there_is_told(caller: Caller) -> None:
    with pytest.raises(RefusedError, match="r9"):
        caller.get("r9")
