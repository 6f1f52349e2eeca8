"""Reads an image from an HTTP server whose address the node's rules permit.

The address that is checked is the one that is connected to: the host's name is resolved once per request, each of its
addresses is checked, and the connection goes to one of them by number, while TLS still checks the certificate for the
name. So a name that resolves differently the next moment leads nowhere else. Redirects are followed here, each by the
same rules. Proxies of the environment are not used, because a proxy would choose the address.

Messages have no query, no user and none of the server's bytes: they are shown to whoever wrote the Image.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing

import httpx

from controller.agent.image_source.addresses import AddressRules, IPNetwork
from controller.agent.image_source.settings import ImageCredentials
from controller.errors import Forbidden, NotFound, PermanentError, TimedOut, Unavailable
from controller.hostnet.own_networks import own_networks
from controller.model.image_url import shown_url

RETRY_LATER = {408, 425, 429}
_REDIRECTS = 10
_SILENCE_SECONDS = 30.0
"""How long a server may send nothing at all."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to its addresses; raises OSError."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host by the system's resolver, in its order; raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class ServerSource:
    """Reads from servers as far as the rules permit."""

    def __init__(
        self,
        rules: AddressRules,
        credentials: Sequence[ImageCredentials] = (),
        *,
        resolve: Resolve = resolve,
        own: Callable[[], Collection[IPNetwork]] = own_networks,
    ) -> None:
        """``own``: the networks of the node's interfaces."""
        self._rules = rules
        self._credentials = {one.host.lower(): one for one in credentials}
        self._resolve = resolve
        self._own = own

    async def read(self, url: str) -> AsyncGenerator[bytes, None]:
        """Yield the bytes as they arrive; raises as ``ImageSource.read``."""
        shown = shown_url(url)
        try:
            async with aclosing(self._read(url, shown)) as parts:
                async for part in parts:
                    yield part
        except httpx.TimeoutException as error:
            raise TimedOut(f"{shown} did not answer in time") from error
        except httpx.ConnectError as error:
            raise Unavailable(f"{shown}: cannot connect to the server: {error}") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            # The text of the error may have what the server sent.
            raise Unavailable(f"{shown}: the server's answer ended early, or is not HTTP") from error
        except (httpx.InvalidURL, UnicodeError) as error:
            raise PermanentError(f"{shown}, or where it redirects to, is not a valid URL") from error

    async def _read(self, url: str, shown: str) -> AsyncGenerator[bytes, None]:
        target = httpx.URL(url)
        context = await asyncio.to_thread(httpx.create_ssl_context)
        async with httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=_SILENCE_SECONDS,
            verify=context,
            limits=httpx.Limits(max_keepalive_connections=0),  # an address may have several names
        ) as client:
            for _ in range(_REDIRECTS + 1):
                answer = await self._ask(client, target, shown)
                try:
                    if not answer.has_redirect_location:
                        _check_status(answer.status_code, shown)
                        async for part in answer.aiter_bytes():
                            yield part
                        return
                    target = target.join(answer.headers["Location"])
                finally:
                    await answer.aclose()
        raise PermanentError(f"{shown} redirects more than {_REDIRECTS} times")

    async def _ask(self, client: httpx.AsyncClient, target: httpx.URL, shown: str) -> httpx.Response:
        """Return the answer of the first address that accepts a connection; its body is not read."""
        if target.scheme not in ("http", "https") or not target.host:
            raise Forbidden(f"{shown} redirects to what is neither http nor https")
        if target.userinfo:
            raise Forbidden(f"{shown} redirects to a URL with credentials")
        headers = {"Host": target.netloc.decode("ascii"), **await self._authorization(target)}
        tls = {"sni_hostname": target.raw_host.decode("ascii")}
        failed: httpx.TransportError | None = None
        for address in await self._permitted(target, shown):
            request = client.build_request("GET", target.copy_with(host=address), headers=headers, extensions=tls)
            try:
                return await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        raise failed or Unavailable(f"{shown}: the server's name has no address")

    async def _permitted(self, target: httpx.URL, shown: str) -> Sequence[str]:
        """Return the addresses of the server; raises Forbidden if one of them is refused."""
        port = target.port or (443 if target.scheme == "https" else 80)
        try:
            addresses = await self._resolve(target.host, port)
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"{shown}: the server's name cannot be resolved") from error
        own = await asyncio.to_thread(self._own)
        for address in addresses:
            reason = self._rules.refusal(address, own)
            if reason is not None:
                raise Forbidden(
                    f"{shown} is refused: its server's address, or where it redirects to, is {reason}; images.allow of "
                    "the agent's settings can permit it"
                )
        return addresses

    async def _authorization(self, target: httpx.URL) -> dict[str, str]:
        """Return the header with what the settings have for this HTTPS server."""
        found = self._credentials.get(target.netloc.decode("ascii").lower())
        if found is None or target.scheme != "https":
            return {}
        try:
            secret = (await asyncio.to_thread(found.file.read_text)).strip()
        except (OSError, UnicodeError) as error:
            raise Unavailable(f"the credentials for {found.host} cannot be read from {found.file}") from error
        if not found.username:
            return {"Authorization": f"Bearer {secret}"}
        request = httpx.Request("GET", target)
        flow = httpx.BasicAuth(found.username, secret).auth_flow(request)
        return {"Authorization": next(flow).headers["Authorization"]}


def _check_status(status: int, shown: str) -> None:
    if status >= 500 or status in RETRY_LATER:
        raise Unavailable(f"{shown} answered {status}")
    if status != 200:
        raise NotFound(f"{shown} answered {status}")
