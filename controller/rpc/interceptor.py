"""Wraps every handler of a server: binds the request id, translates errors to statuses and logs failed calls.

An unexpected error becomes INTERNAL without its text, which may contain what the caller must not
see. The log has the text, under the same request id.

Ordering: a call that streams requests is refused only after its first message has arrived, or five seconds have
passed without one. gRPC's asyncio client replaces the status of a call that ends while it writes with INTERNAL, and
would lose the reason.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import grpc
import structlog
from grpc import aio

from controller.errors import InternalError, PermanentError, ResourceError
from controller.rpc.call_limits import CallLimits
from controller.rpc.errors import status_of, to_metadata
from controller.rpc.metadata import REQUEST_ID, bind_request_id, metadata_value

Observer = Callable[[str, str, float], None]
"""Called with the method, the name of the status and the seconds of a call."""


_FIRST_MESSAGE_SECONDS = 5.0
"""How long a refusal waits for a caller that sends nothing: its message is on the way, or never comes."""


def ignore_call(method: str, status: str, seconds: float) -> None:
    """Record nothing."""


class CallInterceptor(aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps all four kinds of handlers in the same way."""

    def __init__(self, observe: Observer, limits: CallLimits | None = None) -> None:
        self._observe = observe
        self._limits = limits
        self._running = 0
        self.idle = asyncio.Event()
        """Set while no call with a single reply runs."""
        self.idle.set()

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        shape = {
            (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
            (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
            (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
            (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
        }[handler.request_streaming, handler.response_streaming]
        inner = getattr(handler, shape[0])
        wrap = self._stream if handler.response_streaming else self._unary
        wrapped = wrap(inner, method, handler.request_streaming)
        return shape[1](wrapped, handler.request_deserializer, handler.response_serializer)

    def _unary(
        self, inner: Callable[..., Awaitable[Any]], method: str, request_streaming: bool
    ) -> Callable[..., Awaitable[Any]]:
        async def handle(request: Any, context: Any) -> Any:
            request = _Messages(request) if request_streaming else request
            call = _Call(self, method, context)
            self._running += 1
            self.idle.clear()
            try:
                self._admit(context)
                return await inner(request, context)
            except Exception as error:
                await _first_message(request)
                await call.fail(error)
            finally:
                call.end()
                self._running -= 1
                if not self._running:
                    self.idle.set()

        return handle

    def _stream(
        self, inner: Callable[..., AsyncIterator[Any]], method: str, request_streaming: bool
    ) -> Callable[..., AsyncIterator[Any]]:
        async def handle(request: Any, context: Any) -> AsyncIterator[Any]:
            request = _Messages(request) if request_streaming else request
            call = _Call(self, method, context)
            try:
                self._admit(context)
                async for reply in inner(request, context):
                    yield reply
            except Exception as error:
                await _first_message(request)
                await call.fail(error)
            finally:
                call.end()

        return handle

    def _admit(self, context: Any) -> None:
        if self._limits is not None:
            self._limits.admit(context)

    def observe(self, method: str, status: str, seconds: float) -> None:
        self._observe(method, status, seconds)


class _Messages(AsyncIterator[Any]):
    """The messages of a caller; knows whether one was read."""

    def __init__(self, messages: AsyncIterator[Any]) -> None:
        self._messages = messages
        self.begun = False

    async def __anext__(self) -> Any:
        self.begun = True
        return await anext(self._messages)


async def _first_message(request: object) -> None:
    """Wait for the first message of a caller that still has to send it."""
    if isinstance(request, _Messages) and not request.begun:
        # The caller hung up, sends nothing, or sends what is no message: the refusal is what it has to hear.
        with suppress(Exception):
            await asyncio.wait_for(anext(request), _FIRST_MESSAGE_SECONDS)


class _Call:
    """One call in progress."""

    def __init__(self, owner: CallInterceptor, method: str, context: Any) -> None:
        self._owner = owner
        self._method = method
        self._context = context
        self._status = grpc.StatusCode.OK
        self._begin = time.perf_counter()
        self._request_id = bind_request_id(metadata_value(context.invocation_metadata(), REQUEST_ID))
        self._log = structlog.get_logger("rpc").bind(method=method)

    async def fail(self, error: Exception) -> None:
        """End the call with the status of ``error``; never returns."""
        if isinstance(error, aio.AbortError):
            self._status = self._context.code() or grpc.StatusCode.UNKNOWN
            raise error
        if isinstance(error, ResourceError):
            self._status = status_of(error)
            refused = isinstance(error, PermanentError)
            self._log.info("call refused" if refused else "call failed", code=error.code, error=error.message)
            await self._context.abort(self._status, error.message[:1000], to_metadata(error))
        self._status = grpc.StatusCode.INTERNAL
        self._log.error("call broke", error=repr(error), exc_info=error)
        hidden = InternalError(f"internal error; the log has it under the request id {self._request_id}")
        await self._context.abort(self._status, hidden.message, to_metadata(hidden))

    def end(self) -> None:
        self._owner.observe(self._method, self._status.name, time.perf_counter() - self._begin)
