"""Around every handler: the request id, our errors as statuses, one log line for what went wrong.

An error that nobody foresaw becomes INTERNAL without its text: it may hold what the caller must
not see; the log has it, under the same request id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog
from grpc import aio

from controller.errors import PermanentError, ResourceError
from controller.rpc.errors import status_of, to_metadata
from controller.rpc.metadata import REQUEST_ID, bind_request_id, metadata_value

Observer = Callable[[str, str, float], None]
"""Method, name of the status, seconds."""


def ignore_call(method: str, status: str, seconds: float) -> None:
    """The observer that keeps nothing."""


class CallInterceptor(aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps the four shapes of handlers alike."""

    def __init__(self, observe: Observer) -> None:
        self._observe = observe
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
        wrapped = self._stream(inner, method) if handler.response_streaming else self._unary(inner, method)
        return shape[1](wrapped, handler.request_deserializer, handler.response_serializer)

    def _unary(self, inner: Callable[..., Awaitable[Any]], method: str) -> Callable[..., Awaitable[Any]]:
        async def handle(request: Any, context: Any) -> Any:
            call = _Call(self, method, context)
            self._running += 1
            self.idle.clear()
            try:
                return await inner(request, context)
            except Exception as error:
                await call.fail(error)
            finally:
                call.end()
                self._running -= 1
                if not self._running:
                    self.idle.set()

        return handle

    def _stream(self, inner: Callable[..., AsyncIterator[Any]], method: str) -> Callable[..., AsyncIterator[Any]]:
        async def handle(request: Any, context: Any) -> AsyncIterator[Any]:
            call = _Call(self, method, context)
            try:
                async for reply in inner(request, context):
                    yield reply
            except Exception as error:
                await call.fail(error)
            finally:
                call.end()

        return handle

    def observe(self, method: str, status: str, seconds: float) -> None:
        self._observe(method, status, seconds)


class _Call:
    """One call under way."""

    def __init__(self, owner: CallInterceptor, method: str, context: Any) -> None:
        self._owner = owner
        self._method = method
        self._context = context
        self._status = grpc.StatusCode.OK
        self._begin = time.perf_counter()
        bind_request_id(metadata_value(context.invocation_metadata(), REQUEST_ID))
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
        await self._context.abort(self._status, "internal error; the log has it under the request id")

    def end(self) -> None:
        self._owner.observe(self._method, self._status.name, time.perf_counter() - self._begin)
