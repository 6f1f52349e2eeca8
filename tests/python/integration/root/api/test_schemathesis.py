"""The API against its own OpenAPI document: generated requests, good and bad, find no 5xx.

``RESOURCE_SCHEMATHESIS_EXAMPLES`` is the number of examples of each operation, made
once by its schema and once against it; the last test checks that there were at least
``RESOURCE_SCHEMATHESIS_LEAST`` requests. 92 and 20000 make the full run (8 minutes of cpu time).
Half of the names in requests are made to be names of things that exist, so that requests get past
the first check. ``WatchResources`` is left out, for its answer never ends.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from controller.clock import SystemClock
from controller.model.access import TokenRole
from controller.root.api import routes
from controller.root.api.app import create_app
from controller.root.api.bootstrap import ensure_default_project
from controller.root.api.client_limits import RequestLimits
from controller.root.api.operation import Operation
from controller.root.api.settings import ApiSettings
from controller.store import tokens
from controller.store.changes import Feed
from controller.store.database import Database, Tier
from tests.python.integration.root.api.clusters import FakeClusters
from tests.python.integration.root.api.conftest import SERVICE, SITE

EXAMPLES = int(os.environ.get("RESOURCE_SCHEMATHESIS_EXAMPLES", "8"))
ENOUGH = RequestLimits(
    token_per_second=1e6, token_burst=10**6, address_per_second=1e6, address_burst=10**6, bad_tokens_burst=10**6
)
"""The limits are tried elsewhere; here each request must get its answer."""
LEAST = int(os.environ.get("RESOURCE_SCHEMATHESIS_LEAST", "1500"))
KNOWN = ("kanto", "tokyo", "tokyo1", "floor-1-1-1", "rack-1", "libvirt", "small", "guest", "service", "server1", "web")
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
requests_made = 0


@pytest.fixture(scope="module")
def secret_and_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("schemathesis")
    clock = SystemClock()
    database = Database(f"sqlite:///{folder}/root.db", tier=Tier.ROOT)
    database.upgrade()
    ensure_default_project(database)
    _, secret = database.write(lambda tx: tokens.create(tx, "fuzzer-of-the-api", TokenRole.ADMIN))
    yield secret, create_app(database, Feed(database, clock), clock, ApiSettings(limits=ENOUGH), FakeClusters())
    database.close()


@pytest.fixture(scope="module")
def schema(secret_and_app: tuple[str, Any]) -> Any:
    secret, app = secret_and_app
    with asgi.get_client(app) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        answer = client.post("/v1/apply", json=[*SITE, SERVICE])
        assert answer.status_code == 200, answer.text
    return schemathesis.openapi.from_asgi("/openapi.json", app, config=SchemathesisConfig())


OPERATIONS = [operation for operation in routes.operations() if operation.id != "WatchResources"]


@pytest.mark.design("A1", "F2")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_operation_answers_as_its_document_says(
    operation: Operation, mode: GenerationMode, schema: Any, secret_and_app: tuple[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {secret_and_app[0]}"}
    described = schema[operation.path][operation.method]

    @seed(zlib.crc32(operation.id.encode()))
    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
    @given(case=described.as_strategy(generation_mode=mode))
    def ask(case: Case[Any]) -> None:
        global requests_made
        requests_made += 1
        _meet_what_exists(case)
        case.call_and_validate(headers=headers, checks=CHECKS, timeout=60)

    ask()


def test_there_were_as_many_requests_as_promised() -> None:
    assert requests_made >= LEAST


def _meet_what_exists(case: Case[Any]) -> None:
    """Turn half of the valid names of a request into known ones, chosen by the request itself.

    What was generated is copied, not changed: the generator gives some objects out again.
    """
    choice = zlib.crc32(repr((case.path_parameters, case.body)).encode())
    if choice % 2:
        return
    names = list(case.path_parameters or {})
    known = {name: KNOWN[(choice >> (8 + index)) % len(KNOWN)] for index, name in enumerate(names)}
    case.path_parameters = {**(case.path_parameters or {}), **known}
    if isinstance(case.body, dict):
        case.body = {name: value for name, value in case.body.items() if name not in (*names, "kind")}
