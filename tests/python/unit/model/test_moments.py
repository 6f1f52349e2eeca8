"""Times are moments in UTC or days of the calendar, in every model; a time without a zone is refused."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter

import controller
import inventory_sync
from controller.errors import InvalidInput
from controller.model import document
from controller.model.access import Token
from controller.model.compute import MigrationFailure
from controller.model.moments import Day, Moment


def token(expires_at: object) -> dict[str, Any]:
    return {"kind": "Token", "name": "ci", "spec": {"role": "viewer", "expires_at": expires_at}}


def answered(expires_at: object) -> object:
    return document.render(document.parse(token(expires_at)))["spec"]["expires_at"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2030-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
        ("2030-01-01t00:00:00z", "2030-01-01T00:00:00Z"),
        ("2030-01-01T09:00:00+09:00", "2030-01-01T00:00:00Z"),
        ("2030-01-01 00:00:00+00:00", "2030-01-01T00:00:00Z"),
        ("2029-12-31T19:00-0500", "2030-01-01T00:00:00Z"),
        ("2030-01-01T00:00:00.123456789Z", "2030-01-01T00:00:00.123456Z"),
        (None, None),
    ],
)
def test_a_moment_is_kept_in_utc(written: object, shown: object) -> None:
    assert answered(written) == shown


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("2030-01-01T00:00:00", "must have a zone, "),
        (datetime(2030, 1, 1), "must have a zone, "),  # noqa: DTZ001
        ("2030-01-01", "must have a time and a zone, "),
        ("2030-13-01T00:00:00Z", "must be a date and time that exists, "),
        ("2030-01-01T00:00:60Z", "must be a date and time that exists, "),
        ("9999-12-31T23:59:59-01:00", "must be a date and time that exists, "),
        ("0001-01-01T00:00:00+09:00", "must be a date and time that exists, "),
        ("2030-01-01T00:00:00+24:00", "must be a date and time that exists, "),
        (1893456000, "must be a date and time with a zone, "),
        (1893456000.5, "must be a date and time with a zone, "),
        (True, "must be a date and time with a zone, "),
        ("1893456000", "must be a date and time with a zone, "),
        ("tomorrow\x1b[31m", "must be a date and time with a zone, "),
        ("2030-01-01T00:00:00Z\n", "must be a date and time with a zone, "),
        ("٢٠٣٠-01-01T00:00:00Z", "must be a date and time with a zone, "),
        ("", "must be a date and time with a zone, "),
    ],
)
def test_what_is_no_moment_is_refused_as_it_was_written(written: object, why: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        document.parse(token(written))
    (problem,) = caught.value.problems
    assert problem.path == "spec.expires_at"
    assert problem.message.startswith(why)
    quoted = TypeAdapter(Any).dump_json(written, ensure_ascii=True).decode()
    assert problem.message.endswith(f", not {quoted}")


@pytest.mark.parametrize("written", ["x" * 10_000, "\u202e" * 10_000, [0] * 10_000, {"a": "b" * 10_000}])
def test_a_refusal_quotes_a_part_only(written: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        document.parse(token(written))
    message = caught.value.problems[0].message
    assert len(message) < 200
    assert message.isascii()


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("2030-01-01T00:00:00", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01T09:00:00+09:00", datetime(2030, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59-01:00", datetime.max.replace(tzinfo=UTC)),
        ("0001-01-01T00:00:00+01:00", datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_what_older_versions_stored_is_read_as_utc(stored: str, read: datetime) -> None:
    given = Token.model_validate(token("2030-01-01T00:00:00Z")).model_dump_json()
    old = given.replace("2030-01-01T00:00:00Z", stored)
    assert Token.read_stored(old).spec.expires_at == read
    assert Token.read_peer(token(stored)).spec.expires_at == read
    assert MigrationFailure.read({"at": stored}).at == read


@pytest.mark.parametrize(
    "written", ["2030-1-1", "2030-02-30", "2030-01-01T00:00:00Z", 1893456000, "1893456000", 0, True]
)
def test_a_day_is_a_text_of_the_calendar(written: object) -> None:
    spec = {"role": "Server", "in_service_since": written}
    with pytest.raises(InvalidInput, match=r"spec\.in_service_since: must be a day.*, not "):
        document.parse({"kind": "PhysicalResource", "name": "a", "datacenter": "tokyo", "spec": spec})


def times(schema: object, read: bool = False) -> Iterator[bool]:
    """Yield for each time in a core schema whether one of our types reads it."""
    if isinstance(schema, dict):
        if schema.get("type") in ("date", "time", "datetime", "timedelta"):
            yield read
        function = schema.get("function")
        reader = function.get("function") if isinstance(function, dict) else None
        ours = schema.get("type") == "function-before" and reader in _READERS
        for key, value in schema.items():
            if key not in ("metadata", "cls"):
                yield from times(value, ours)
    elif isinstance(schema, list | tuple):
        for each in schema:
            yield from times(each)


_READERS = tuple(get_args(kind)[1].func for kind in (Moment, Day))


def all_models(model: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    for each in model.__subclasses__():
        if each.__module__.partition(".")[0] in ("controller", "inventory_sync"):
            yield each
        yield from all_models(each)


def test_no_model_has_a_time_of_another_type() -> None:
    """All models of the program: kinds, what is observed of them, bodies, answers, settings, NetBox's mapping."""
    for package in (controller, inventory_sync):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".migrations" not in module.name:
                importlib.import_module(module.name)
    found = {model: list(times(model.__pydantic_core_schema__)) for model in all_models()}
    assert [model.__qualname__ for model, read in found.items() if not all(read)] == []
    assert found[Token] == [True] * 3
    assert found[MigrationFailure] == [True]


def test_a_plain_time_is_found() -> None:
    class Plain(BaseModel):
        at: tuple[datetime | None, ...]
        of: Moment | None = None

    assert list(times(Plain.__pydantic_core_schema__)) == [False, True]
