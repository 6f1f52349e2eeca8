"""Serves gRPC with mutual TLS on TCP and unix sockets, for every process.

Certificates: the server checks its folder at every handshake, so a renewed certificate is used
from the next connection on, and open connections are not affected.

Ordering: ``stop`` refuses new calls at once, waits up to ``grace`` seconds for running calls,
and cancels streams of replies when only they are left.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import grpc
import structlog
from grpc import aio

from controller.errors import ResourceError, Unavailable
from controller.pki import CredentialFolder, Credentials
from controller.rpc.call_limits import CallLimits
from controller.rpc.interceptor import CallInterceptor, Observer, ignore_call
from controller.rpc.options import server_options

AddServicer = Callable[[aio.Server], None]


class RpcServer:
    """A server: add services, then addresses, then start it."""

    def __init__(
        self, folder: CredentialFolder, *, observe: Observer = ignore_call, limits: CallLimits | None = None
    ) -> None:
        """``observe`` is called with method, status and seconds of each finished call (metrics)."""
        self._folder = folder
        self._calls = CallInterceptor(observe, limits)
        self._server = aio.server(options=server_options(), interceptors=[self._calls])

    def add(self, add_servicer: AddServicer) -> None:
        """Add a service: ``server.add(lambda s: add_XServicer_to_server(servicer, s))``."""
        add_servicer(self._server)

    def listen(self, address: str, *, client_certificate: bool = True) -> int:
        """Listen on ``host:port`` (0: any port) or ``unix:/path``; return the port.

        ``client_certificate=False``: for first contact only; handlers still refuse callers without one.
        Raises Unavailable when the address is taken.
        """
        served = _Served(self._folder, client_certificate)
        credentials = grpc.dynamic_ssl_server_credentials(
            served.first(),
            served.renewed,  # type: ignore[arg-type]  # None is allowed: no change
            require_client_authentication=client_certificate,
        )
        try:
            port: int = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise Unavailable(f"cannot listen on {address}: {error}") from error
        return port

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start()

    async def stop(self, grace: float = 5.0) -> None:
        """Refuse new calls, wait for running unary ones, then cancel the others. May be called twice."""
        stopping = asyncio.ensure_future(self._server.stop(grace))
        idle = asyncio.ensure_future(self._calls.idle.wait())
        await asyncio.wait({stopping, idle}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        # gRPC sends a reply a moment after its handler has ended.
        await asyncio.wait({stopping}, timeout=0.2)
        # Streams do not end by themselves: waiting for them would always take the whole grace.
        await self._server.stop(None)
        await stopping


class _Served:
    """The certificate that one address presents.

    A configuration is passed to gRPC once. gRPC replaces the one in use without a lock, so passing it
    at every handshake crashes a server to which many clients connect at the same time.
    """

    def __init__(self, folder: CredentialFolder, client_certificate: bool) -> None:
        self._folder = folder
        self._client_certificate = client_certificate
        self._credentials = folder.load()
        self._lock = threading.Lock()
        self._log = structlog.get_logger("rpc")

    def first(self) -> grpc.ServerCertificateConfiguration:
        """Return the certificate to start with."""
        return self._configuration(self._credentials)

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the folder's certificate if it has changed, else None; gRPC's threads call it at each handshake."""
        with self._lock:
            try:
                credentials = self._folder.load()
            except ResourceError as error:
                self._log.warning("certificate not reloaded", error=str(error))
                return None
            if self._credentials is credentials:
                return None
            self._credentials = credentials
            return self._configuration(credentials)

    def _configuration(self, credentials: Credentials) -> grpc.ServerCertificateConfiguration:
        pairs = [(credentials.key, credentials.chain)]
        return grpc.ssl_server_certificate_configuration(pairs, credentials.roots if self._client_certificate else None)
