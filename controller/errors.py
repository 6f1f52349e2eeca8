"""Every domain error, in one shallow tree with stable codes.

::

    ResourceError
    ├── PermanentError            trying again cannot help
    │   ├── InvalidInput          422  one or more fields are wrong; ``problems`` names each
    │   ├── Unauthenticated       401
    │   ├── Forbidden             403
    │   ├── NotFound              404
    │   ├── Conflict              409  in use (``users``), name or address taken
    │   ├── VersionsGone          410  the asked resource_version was compacted away
    │   ├── PreconditionFailed    412  stale If-Match
    │   ├── TooLarge              413
    │   ├── NoRoom                409  nothing fits; ``reasons`` counts why
    │   ├── AddressesExhausted    409  a network has no free address
    │   ├── ImageInvalid          422  checksum or format of an image is wrong
    │   ├── StaleTerm             409  a write by a master that is master no longer
    │   └── SchemaMismatch        500  the database has a schema this program does not know
    └── TemporaryError            the caller should back off and try again
        ├── TooManyRequests       429  a limit of the caller; nothing was done; ``retry_after`` seconds
        ├── Unavailable           503  a peer, node or database is away
        ├── InternalError         500  a peer met an error that its code does not foresee, maybe for this request only
        └── TimedOut              504  a deadline passed; whether it took effect is unknown

Codes are part of the API (RFC 9457 ``code``): they never change. Messages may.
Third-party errors are wrapped where they enter, with the original chained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One bad field: ``path`` is dotted (``spec.interfaces[0].address``), message is for people."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ResourceError(Exception):
    """Base of all errors that a user or a peer may see."""

    code = "error"
    http_status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PermanentError(ResourceError):
    """Trying the same again cannot succeed."""


class InvalidInput(PermanentError):
    """Raised when a document breaks its kind's rules; carries the path of every bad field."""

    code = "invalid"
    http_status = 422

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Unauthenticated(PermanentError):
    """Raised when no known token or certificate came with a request."""

    code = "unauthenticated"
    http_status = 401


class Forbidden(PermanentError):
    """Raised when the caller is known and its role does not allow the request."""

    code = "forbidden"
    http_status = 403


class NotFound(PermanentError):
    """Raised when the named resource does not exist."""

    code = "not_found"
    http_status = 404


class Conflict(PermanentError):
    """Raised when others stand in the way: users of what is to be deleted, a taken name."""

    code = "conflict"
    http_status = 409

    def __init__(self, message: str, users: Sequence[str] = (), user_count: int | None = None) -> None:
        super().__init__(message)
        self.users = tuple(users)
        self.user_count = len(self.users) if user_count is None else user_count


class VersionsGone(PermanentError):
    """Raised when a watch asks for changes older than the log keeps; list again."""

    code = "versions_gone"
    http_status = 410


class PreconditionFailed(PermanentError):
    """Raised when If-Match names another resource_version than the stored one."""

    code = "precondition_failed"
    http_status = 412


class TooLarge(PermanentError):
    """Raised when a request body exceeds the limit."""

    code = "too_large"
    http_status = 413


class NoRoom(PermanentError):
    """Raised when no cluster or node can take a resource; ``reasons`` maps reason to count."""

    code = "no_room"
    http_status = 409

    def __init__(self, message: str, reasons: Mapping[str, int] | None = None) -> None:
        super().__init__(message)
        self.reasons = dict(reasons or {})


class AddressesExhausted(PermanentError):
    """Raised when a network has no free address left."""

    code = "addresses_exhausted"
    http_status = 409


class ImageInvalid(PermanentError):
    """Raised when an image's bytes do not match its checksum or declared format."""

    code = "image_invalid"
    http_status = 422


class StaleTerm(PermanentError):
    """Raised when a master writes with a term that has been superseded; it must step down."""

    code = "stale_term"
    http_status = 409


class SchemaMismatch(PermanentError):
    """Raised at start when the database's schema is not the one this program knows."""

    code = "schema_mismatch"


class TemporaryError(ResourceError):
    """The same request may succeed later."""

    code = "temporary"
    http_status = 503


class TooManyRequests(TemporaryError):
    """Raised when a caller asks more often than it may; nothing was done. ``retry_after`` says when to ask again."""

    code = "too_many_requests"
    http_status = 429

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds."""


class Unavailable(TemporaryError):
    """Raised when a peer, a node or the database cannot be reached."""

    code = "unavailable"


class InternalError(TemporaryError):
    """Raised when a peer, or a write of one item, failed with an error that its code does not foresee.

    It may concern this request alone, so that whoever sent several items together sends each alone.
    """

    code = "internal"
    http_status = 500


class TimedOut(TemporaryError):
    """Raised when a deadline passed; the effect of the request is unknown."""

    code = "timed_out"
    http_status = 504


def find_stale(error: BaseException | None) -> StaleTerm | None:
    """Return the StaleTerm that an error is, or that is anywhere in a group of errors; None: none is."""
    if isinstance(error, StaleTerm):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for part in error.exceptions if (found := find_stale(part)) is not None), None)
    return None
