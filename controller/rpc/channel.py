"""Keeps a process's client channels with mutual TLS: one per target, replaced when the certificate was renewed.

A channel that was replaced is dropped and not closed: its calls, streams included, go on until they
end by themselves, and its connection ends with the last of them. So do not keep a channel or a stub:
call ``get`` for each call (it costs a dictionary lookup and two stats).

Belongs to one event loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from grpc import aio

from controller.pki import CredentialFolder, Credentials
from controller.rpc.metadata import REQUEST_ID, outgoing_metadata
from controller.rpc.options import channel_options


class RequestIdInterceptor(aio.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]
    """Adds the request id to unary calls that have none; streams pass ``outgoing_metadata`` themselves."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        metadata = client_call_details.metadata or aio.Metadata()
        if REQUEST_ID not in metadata:
            metadata = aio.Metadata(*metadata, *outgoing_metadata())
        return await continuation(client_call_details._replace(metadata=metadata), request)


@dataclass(frozen=True, slots=True)
class _Open:
    credentials: Credentials
    channel: aio.Channel


class Channels:
    """The channels of one process."""

    def __init__(self, folder: CredentialFolder) -> None:
        self._folder = folder
        self._open: dict[tuple[str, str], _Open] = {}

    def get(self, target: str, server_name: str) -> aio.Channel:
        """Return a channel to ``host:port`` or ``unix:/path``, whose server must have ``server_name`` (of ``pki``).

        Raises Unavailable or InvalidInput when the folder does not have credentials. The first call connects.
        """
        credentials = self._folder.load()
        known = self._open.get((target, server_name))
        if known is not None and known.credentials is credentials:
            return known.channel
        channel = secure_channel(target, server_name, credentials)
        self._open[target, server_name] = _Open(credentials, channel)
        return channel

    def forget(self, target: str) -> None:
        """Drop the channels of a target that is not used any more."""
        for key in [key for key in self._open if key[0] == target]:
            del self._open[key]

    async def close(self) -> None:
        """Close all channels and cancel their calls."""
        while self._open:
            _, known = self._open.popitem()
            await known.channel.close(None)


def secure_channel(target: str, server_name: str, credentials: Credentials) -> aio.Channel:
    """Return a channel that presents our certificate."""
    return _channel(
        target, server_name, grpc.ssl_channel_credentials(credentials.roots, credentials.key, credentials.chain)
    )


def first_contact_channel(target: str, server_name: str, roots: bytes) -> aio.Channel:
    """Return a channel that checks the server and presents no certificate: to join with a token."""
    return _channel(target, server_name, grpc.ssl_channel_credentials(roots))


def _channel(target: str, server_name: str, credentials: grpc.ChannelCredentials) -> aio.Channel:
    return aio.secure_channel(
        target,
        credentials,
        options=channel_options(server_name),
        interceptors=[RequestIdInterceptor()],  # type: ignore[list-item]
    )
