"""What the interceptor does around handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from controller.errors import Forbidden
from controller.rpc.interceptor import CallInterceptor, ignore_call


class Context:
    """The context of one call: records its end among the other events."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    async def abort(self, status: grpc.StatusCode, details: str, metadata: object = ()) -> None:
        self._events.append(status.name)
        raise grpc.aio.AbortError


async def refuse_at_once(messages: AsyncIterator[str], context: object) -> AsyncIterator[str]:
    raise Forbidden("not for you")
    yield ""


async def refuse_after_two(messages: AsyncIterator[str], context: object) -> AsyncIterator[str]:
    yield await anext(messages)
    yield await anext(messages)
    raise Forbidden("not for you")


async def refuse_a_single_reply(messages: AsyncIterator[str], context: object) -> str:
    raise Forbidden("not for you")


STREAM, UNARY = grpc.stream_stream_rpc_method_handler, grpc.stream_unary_rpc_method_handler


@pytest.mark.parametrize(
    ("shape", "handler", "sent", "events"),
    [
        (STREAM, refuse_at_once, ["a", "b"], ["sent a", "PERMISSION_DENIED"]),
        (UNARY, refuse_a_single_reply, ["a", "b"], ["sent a", "PERMISSION_DENIED"]),
        (STREAM, refuse_at_once, [], ["PERMISSION_DENIED"]),  # the caller hung up
        (STREAM, refuse_after_two, ["a", "b", "c"], ["sent a", "sent b", "PERMISSION_DENIED"]),
    ],
)
async def test_a_refusal_follows_the_first_message(
    shape: Any, handler: Any, sent: list[str], events: list[str]
) -> None:
    seen: list[str] = []

    async def messages() -> AsyncIterator[str]:
        for message in sent:
            seen.append(f"sent {message}")
            yield message

    async def continuation(details: object) -> Any:
        return shape(handler)

    class Details:
        method = "/test/Stream"

    wrapped = await CallInterceptor(ignore_call).intercept_service(continuation, Details())  # type: ignore[arg-type]
    with pytest.raises(grpc.aio.AbortError):
        await end(wrapped, messages(), Context(seen))
    assert seen == events


async def end(wrapped: Any, messages: AsyncIterator[str], context: Context) -> None:
    """Run a wrapped handler to its end, whichever shape it has."""
    if wrapped.stream_unary:
        await wrapped.stream_unary(messages, context)
    else:
        _ = [reply async for reply in wrapped.stream_stream(messages, context)]


async def test_a_first_message_that_cannot_be_read_does_not_replace_the_refusal() -> None:
    seen: list[str] = []

    async def messages() -> AsyncIterator[str]:
        raise ValueError("what only the log may say")
        yield ""

    async def continuation(details: object) -> Any:
        return STREAM(refuse_at_once)

    class Details:
        method = "/test/Stream"

    wrapped = await CallInterceptor(ignore_call).intercept_service(continuation, Details())  # type: ignore[arg-type]
    with pytest.raises(grpc.aio.AbortError):
        await end(wrapped, messages(), Context(seen))
    assert seen == ["PERMISSION_DENIED"]
