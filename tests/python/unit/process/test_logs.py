"""Logs: one JSON object per line, whoever logs, with the request id."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from controller.errors import Unavailable
from controller.process.logs import configure_logs
from controller.rpc.metadata import bind_request_id, current_request_id


@pytest.fixture
def lines() -> Iterator[Any]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs("resource-api", "api-1", "info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_our_lines_and_others_have_one_form(lines: Any) -> None:
    bind_request_id("request-7")
    structlog.get_logger("rpc").info("call refused", code="conflict", name="tokyo1")
    logging.getLogger("uvicorn.error").warning("port %d is slow", 80)
    logging.getLogger("foreign").info("left out? no: %s", "kept")
    ours, uvicorn, other = lines()
    assert ours["event"] == "call refused"
    assert ours["code"] == "conflict"
    assert ours["name"] == "tokyo1"
    assert uvicorn["event"] == "port 80 is slow"
    assert other["event"] == "left out? no: kept"
    for line in (ours, uvicorn, other):
        assert line["request_id"] == "request-7"
        assert line["process"] == "resource-api"
        assert line["instance"] == "api-1"
        assert line["timestamp"].endswith("Z")
    assert [line["logger"] for line in (ours, uvicorn, other)] == ["rpc", "uvicorn.error", "foreign"]
    assert [line["level"] for line in (ours, uvicorn, other)] == ["info", "warning", "info"]


def test_traces_stay_on_one_line_and_low_levels_are_left_out(lines: Any) -> None:
    log = structlog.get_logger("loop")
    log.debug("not this")
    try:
        raise Unavailable("away")
    except Unavailable as error:
        log.error("broken", exc_info=error)
    (line,) = lines()
    assert "Unavailable: away" in line["exception"]


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 65, "line\nbreak", b"\xff"])
def test_a_request_id_that_could_spoil_a_log_is_replaced(given: str | bytes | None) -> None:
    made = bind_request_id(given)
    assert made == current_request_id()
    assert made.isalnum()
    structlog.contextvars.clear_contextvars()


def test_a_line_holds_nothing_that_acts_on_a_terminal(lines: Any) -> None:
    """JSON leaves DEL, the C1 controls and bidirectional characters as they are."""
    hostile = "a\x1b[2J\x9b31m\u202eb\n\x7f\u2028"
    structlog.get_logger("rpc").info(hostile, name=hostile, 東京="é")
    raw = logging.getLogger().handlers[0].stream.getvalue()  # type: ignore[attr-defined]
    assert raw.removesuffix("\n").isprintable()
    assert "東京" in raw
    (line,) = lines()
    assert (line["event"], line["name"]) == (hostile, hostile)
