"""Our errors cross the wire with their class and details; foreign statuses get the right kind."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc import aio

from controller import errors
from controller.errors import Conflict, InvalidInput, NoRoom, PermanentError, Problem, ResourceError, TemporaryError
from controller.rpc.errors import ERROR_KEY, from_rpc_error, status_of, to_metadata, translated

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ResourceError) and kind is not ResourceError
]
PLAIN = [kind for kind in KINDS if kind not in (InvalidInput, PermanentError)]


def sent(error: ResourceError) -> ResourceError:
    return from_rpc_error(failure(status_of(error), error.message, to_metadata(error)))


def failure(code: grpc.StatusCode, details: str = "", trailing: Any = ()) -> aio.AioRpcError:
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata(*trailing), details, None)


@pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.__name__)
def test_every_error_comes_back_as_itself(kind: type[ResourceError]) -> None:
    back = sent(kind("what happened"))
    assert type(back) is kind
    assert back.message == "what happened"
    assert back.code == kind.code


def test_details_come_back() -> None:
    invalid = sent(InvalidInput([Problem("spec.replicas", "must be 1 or more"), Problem("", "bad")]))
    assert isinstance(invalid, InvalidInput)
    assert invalid.problems == (Problem("spec.replicas", "must be 1 or more"), Problem("", "bad"))
    conflict = sent(Conflict("in use", users=["Compute a", "Compute b"], user_count=70))
    assert isinstance(conflict, Conflict)
    assert (conflict.users, conflict.user_count) == (("Compute a", "Compute b"), 70)
    no_room = sent(NoRoom("no node fits", {"memory": 3}))
    assert isinstance(no_room, NoRoom)
    assert no_room.reasons == {"memory": 3}


def test_the_metadata_stays_small_however_much_there_is_to_say() -> None:
    worst = [
        InvalidInput([Problem(f"spec.items[{index}]", "é" * 5000) for index in range(1000)]),
        Conflict("x" * 100_000, users=[f"Compute default/kanto/web-{index}" for index in range(1000)]),
        NoRoom("no", {f"reason-{index}": index for index in range(1000)}),
    ]
    for error in worst:
        ((_, body),) = to_metadata(error)
        assert len(body) < 8 * 1024 * 4
        assert type(sent(error)) is type(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, TemporaryError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, TemporaryError),
        (grpc.StatusCode.CANCELLED, TemporaryError),
        (grpc.StatusCode.INTERNAL, TemporaryError),
        (grpc.StatusCode.UNIMPLEMENTED, PermanentError),
        (grpc.StatusCode.PERMISSION_DENIED, PermanentError),
    ],
)
def test_a_status_without_our_details_still_tells_whether_to_try_again(
    code: grpc.StatusCode, kind: type[ResourceError]
) -> None:
    error = from_rpc_error(failure(code, "went wrong"), "node-1")
    assert isinstance(error, kind)
    assert error.message == f"node-1: {code.name}: went wrong"


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"{}", b'{"code": "invalid", "message": "x"}'])
def test_details_that_are_not_ours_fall_back_to_the_status(body: bytes) -> None:
    error = from_rpc_error(failure(grpc.StatusCode.UNAVAILABLE, "x", [(ERROR_KEY, body)]))
    assert isinstance(error, errors.Unavailable)


def test_an_error_of_a_newer_peer_is_permanent() -> None:
    body = b'{"code": "from_the_future", "message": "hello"}'
    error = from_rpc_error(failure(grpc.StatusCode.FAILED_PRECONDITION, "x", [(ERROR_KEY, body)]))
    assert type(error) is PermanentError


def test_the_original_is_chained() -> None:
    original = failure(grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(errors.Unavailable) as caught, translated("peer"):
        raise original
    assert caught.value.__cause__ is original
