"""A gRPC server with mutual TLS on TCP and unix sockets.

Certificates: the server looks at its folder at every handshake, so a renewed certificate is used
from the next connection on, and connections that stand are not disturbed.

Ordering: ``stop`` refuses new calls at once, lets running ones finish for ``grace`` seconds at most,
and cancels streams of replies when only they are left.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

import grpc
import structlog
from grpc import aio

from controller.errors import ResourceError, Unavailable
from controller.pki import CredentialFolder, Credentials
from controller.rpc.interceptor import CallInterceptor, Observer, ignore_call
from controller.rpc.options import server_options

AddServicer = Callable[[aio.Server], None]


class RpcServer:
    """Services are added, then addresses, then it is started."""

    def __init__(self, folder: CredentialFolder, *, observe: Observer = ignore_call) -> None:
        """``observe`` is told method, status and seconds of each finished call (metrics)."""
        self._folder = folder
        self._made: dict[bool, tuple[Credentials, grpc.ServerCertificateConfiguration]] = {}
        self._calls = CallInterceptor(observe)
        self._server = aio.server(options=server_options(), interceptors=[self._calls])
        self._log = structlog.get_logger("rpc")

    def add(self, add_servicer: AddServicer) -> None:
        """Add a service: ``server.add(lambda s: add_XServicer_to_server(servicer, s))``."""
        add_servicer(self._server)

    def listen(self, address: str, *, client_certificate: bool = True) -> int:
        """Listen on ``host:port`` (0: any port) or ``unix:/path``; returns the port.

        ``client_certificate=False``: for first contact only; handlers still refuse whoever shows none.
        Raises Unavailable when the address is taken.
        """
        credentials = grpc.dynamic_ssl_server_credentials(
            self._configuration(client_certificate),
            functools.partial(self._configuration, client_certificate),
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
        """Refuse new calls, wait for running plain ones, then cancel the rest. May be called twice."""
        stopping = asyncio.ensure_future(self._server.stop(grace))
        idle = asyncio.ensure_future(self._calls.idle.wait())
        await asyncio.wait({stopping, idle}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        # A reply leaves a moment after its handler has ended.
        await asyncio.wait({stopping}, timeout=0.2)
        # Streams have no end of their own: waiting for them would be waiting for the whole grace.
        await self._server.stop(None)
        await stopping

    def _configuration(self, client_certificate: bool) -> grpc.ServerCertificateConfiguration:
        """What the folder holds now, or the last that was good. gRPC calls it at each handshake, from its threads."""
        made = self._made.get(client_certificate)
        try:
            credentials = self._folder.load()
        except ResourceError as error:
            if made is None:
                raise
            self._log.warning("certificate not reloaded", error=str(error))
            return made[1]
        if made is None or made[0] is not credentials:
            pairs = [(credentials.key, credentials.chain)]
            roots = credentials.roots if client_certificate else None
            made = (credentials, grpc.ssl_server_certificate_configuration(pairs, roots))
            self._made[client_certificate] = made
        return made[1]
