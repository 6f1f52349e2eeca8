"""If-Match and If-None-Match: a write is refused when the stored form is not the one that the client means."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers

from controller.errors import PreconditionFailed
from controller.model.registry import AnyResource, Key
from controller.root.api.operation import bad


@dataclass(frozen=True)
class Precondition:
    """The precondition of one request."""

    match: str | None
    """The ``resource_version`` that is meant, or ``*``: any; None: no condition."""
    none_match: str | None
    """``*``: the resource must not exist; None: no condition."""

    @classmethod
    def of(cls, headers: Headers) -> Precondition:
        """Return the precondition of a request; raises InvalidInput when a header cannot be read."""
        match, none_match = _version_of(headers.get("if-match")), headers.get("if-none-match")
        if match is not None and match != "*" and not (match.isascii() and match.isdigit() and len(match) < 20):
            raise bad("header.If-Match", "must be a resource_version or *")
        if none_match not in (None, "*"):
            raise bad("header.If-None-Match", "must be *")
        return cls(match, none_match)

    def check(self, key: Key, current: AnyResource | None) -> None:
        """Raise PreconditionFailed when the stored form is not the one that is meant."""
        if self.none_match == "*" and current is not None:
            raise PreconditionFailed(f"{key} exists already")
        if self.match is None:
            return
        if current is None:
            raise PreconditionFailed(f"{key} does not exist")
        if self.match != "*" and int(self.match) != current.resource_version:
            raise PreconditionFailed(f"{key} has resource_version {current.resource_version}, not {self.match}")


def _version_of(header: str | None) -> str | None:
    """Return the resource_version out of ``42``, ``"42"`` or ``W/"42"``."""
    return None if header is None else header.strip().removeprefix("W/").strip('"')
