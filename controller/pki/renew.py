"""Certificates renew by themselves, at a jittered half of their life.

The new certificate is written to the process's folder; servers and channels look at the folder,
so that nobody has to be told. A renewal that fails is tried again at a small part of the
certificate's life, while the old one lives and after it has ended as well: an authority may come
back, and a clock may be set right. Files are read and written in the event loop on purpose: they are
small and it happens twice a day.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import structlog

from controller.clock import Clock
from controller.errors import ResourceError
from controller.pki.authority import BACKDATE, LEAF_TTL, Issued
from controller.pki.files import CredentialFolder, Credentials
from controller.pki.identity import Identity
from controller.pki.request import make_request

Issuer = Callable[[bytes], Awaitable[Issued]]
"""Turns a PEM signing request into a certificate: an authority beside us, or a call to an API."""

HALF_LIFE = (0.4, 0.6)
"""Bounds of the part of its life after which a certificate is renewed; chosen evenly between."""

RETRY_PART = 0.02
"""A failed renewal is tried again after this part of the certificate's life, 0.5 s to 60 s."""


def local_issuer(
    folder: Path, identity: Identity, *, clock: Clock, ttl: timedelta = LEAF_TTL, addresses: Sequence[str] = ()
) -> Issuer:
    """An issuer that signs with the authority in ``folder``; read anew each time, so it may be replaced."""

    async def issue(request: bytes) -> Issued:
        authority = CredentialFolder(folder).load_authority()
        return authority.sign(request, identity, clock=clock, ttl=ttl, addresses=addresses)

    return issue


class Renewer:
    """Keeps one folder's certificate fresh."""

    def __init__(
        self,
        folder: CredentialFolder,
        identity: Identity,
        issuer: Issuer,
        *,
        clock: Clock,
        source: random.Random | None = None,
    ) -> None:
        self._folder = folder
        self._identity = identity
        self._issuer = issuer
        self._clock = clock
        self._random = source or random.Random()  # noqa: S311 (spreads load; guards nothing)
        self._log = structlog.get_logger("pki").bind(identity=str(identity))

    async def ensure(self) -> Credentials:
        """The folder's credentials, made first when there are none, or others', or dead ones."""
        if self._folder.exists():
            try:
                credentials = self._folder.load()
                if credentials.identity == self._identity and credentials.valid_until > self._clock.now():
                    return credentials
            except ResourceError as error:
                self._log.warning("unusable credentials are replaced", error=str(error))
        return await self.renew()

    async def renew(self) -> Credentials:
        """Get and store a new key and certificate now; raises what the issuer raises."""
        key, request = make_request(self._identity)
        issued = await self._issuer(request)
        credentials = self._folder.store(key, issued)
        self._log.info("certificate renewed", valid_until=credentials.valid_until.isoformat())
        return credentials

    async def run(self) -> None:
        """Renew for ever; cancel to end. The folder must hold credentials (``ensure``)."""
        credentials = self._folder.load()
        while True:
            await self._clock.sleep(self.seconds_to_renewal(credentials))
            try:
                credentials = await self.renew()
            except Exception as error:
                # Whatever it was: a process that stops renewing is cut off a little later.
                self._log.warning("renewal failed", error=str(error), valid_until=credentials.valid_until.isoformat())
                await self._clock.sleep(min(60.0, max(0.5, RETRY_PART * _life(credentials))))

    def seconds_to_renewal(self, credentials: Credentials) -> float:
        """Seconds from now until the certificate should be renewed; 0 when that is past."""
        age = self._random.uniform(*HALF_LIFE) * _life(credentials)
        at = credentials.valid_from + BACKDATE + timedelta(seconds=age)
        return max(0.0, (at - self._clock.now()).total_seconds())


def _life(credentials: Credentials) -> float:
    return (credentials.valid_until - credentials.valid_from - BACKDATE).total_seconds()
