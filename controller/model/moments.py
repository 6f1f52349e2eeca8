"""Moments and days: the one way in which every kind, body and command reads a time.

A moment is written in ISO 8601 with a zone, and is kept and answered in UTC. A text without a zone means another moment
for each reader, so it is refused, as are numbers and what does not exist in UTC. The refusal quotes what was written.

A document that this program or a peer has stored must always be readable: with ``STORED`` as the context a moment
without a zone, which older versions accepted, is read as UTC, and one beyond the range of UTC as the end of the range.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, ValidationInfo

STORED: Final[Mapping[str, bool]] = {"stored": True}
"""Context of pydantic for documents that were stored before, here or by a peer."""

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?\Z"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_SHOWN = 60
_EXAMPLE = "2030-01-01T00:00:00Z"


def _read_moment(value: object, info: ValidationInfo) -> datetime:
    """Return the moment in UTC; raises ValueError that quotes what was written."""
    stored = info.context is STORED
    if isinstance(value, datetime):
        found, zone = value, value.tzinfo is not None
    elif isinstance(value, str):
        found, zone = _parse(value)
    else:
        raise ValueError(f"must be a date and time with a zone, for example {_EXAMPLE}, not {_quote(value)}")
    if found.tzinfo is UTC:
        return found
    if not zone:
        if not stored:
            raise ValueError(f"must have a zone, for example {_EXAMPLE} or +09:00 in place of Z, not {_quote(value)}")
        return found.replace(tzinfo=UTC)
    try:
        return found.astimezone(UTC)
    except OverflowError:
        if stored:
            return _FIRST if found.year == _FIRST.year else _LAST
        raise ValueError(_out_of_range(value)) from None


def _parse(text: str) -> tuple[datetime, bool]:
    """Return the moment as written and whether it has a zone."""
    upper = text.upper()
    match = _MOMENT.match(upper)
    if match is None:
        if _DAY.match(text):
            raise ValueError(f"must have a time and a zone, for example {_EXAMPLE}, not {_quote(text)}")
        raise ValueError(f"must be a date and time with a zone, for example {_EXAMPLE}, not {_quote(text)}")
    try:
        return datetime.fromisoformat(upper), match[1] is not None
    except ValueError:
        raise ValueError(_out_of_range(text)) from None


def _read_day(value: object) -> date:
    """Return the day; raises ValueError that quotes what was written."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DAY.match(value):
        raise ValueError(f"must be a day, for example 2030-01-01, not {_quote(value)}")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"must be a day that exists, not {_quote(value)}") from None


def _out_of_range(value: object) -> str:
    return f"must be a date and time that exists, in UTC between the years 1 and 9999, not {_quote(value)}"


def _quote(value: object) -> str:
    """Return a value as a message shows it."""
    if isinstance(value, date):
        return json.dumps(value.isoformat())
    if value is None or isinstance(value, str | int | float):
        shown = json.dumps(value[:_SHOWN] if isinstance(value, str) else value)
        return shown if len(shown) <= _SHOWN + 2 else f"{shown[:_SHOWN]}..."
    return f"a {type(value).__name__}"


Moment = Annotated[datetime, BeforeValidator(_read_moment)]
"""A moment: ISO 8601 with a zone, kept in UTC."""

Day = Annotated[date, BeforeValidator(_read_day)]
"""A day of the calendar: ``2030-01-01``."""
