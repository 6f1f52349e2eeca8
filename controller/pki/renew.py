"""Renews the certificate of a process at about half of its lifetime, with jitter.

The new certificate is written to the process's folder; servers and channels check the folder, so
they need no notification. A renewal that fails is retried after a small part of the certificate's
lifetime, also after the certificate has expired: an authority may become available again, and a
clock may be corrected. Files are read and written in the event loop on purpose: they are small, and
this happens twice a day.
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
"""Returns the certificate for a PEM signing request: a local authority, or a call to an API."""

HALF_LIFE = (0.4, 0.6)
"""Bounds of the part of its lifetime after which a certificate is renewed; chosen evenly between."""

RETRY_PART = 0.02
"""A failed renewal is retried after this part of the certificate's lifetime, 0.5 s to 60 s."""


def local_issuer(
    folder: Path, identity: Identity, *, clock: Clock, ttl: timedelta = LEAF_TTL, addresses: Sequence[str] = ()
) -> Issuer:
    """Return an issuer that signs with the authority in ``folder``; each call reads it, so it can be replaced."""

    async def issue(request: bytes) -> Issued:
        authority = CredentialFolder(folder).load_authority()
        return authority.sign(request, identity, clock=clock, ttl=ttl, addresses=addresses)

    return issue


class Renewer:
    """Renews the certificate of one folder."""

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
        """Return the folder's credentials; get new ones first if they are missing, expired or of another identity."""
        if self._folder.exists():
            try:
                credentials = self._folder.load()
                if credentials.identity == self._identity and credentials.valid_until > self._clock.now():
                    return credentials
            except ResourceError as error:
                self._log.warning("unusable credentials are replaced", error=str(error))
        return await self.renew()

    async def renew(self) -> Credentials:
        """Get and store a new key and certificate now. Raises what the issuer raises."""
        key, request = make_request(self._identity)
        issued = await self._issuer(request)
        credentials = self._folder.store(key, issued)
        self._log.info("certificate renewed", valid_until=credentials.valid_until.isoformat())
        return credentials

    async def run(self) -> None:
        """Renew until cancelled. The folder must have credentials (``ensure``)."""
        credentials = self._folder.load()
        while True:
            await self._clock.sleep(self.seconds_to_renewal(credentials))
            try:
                credentials = await self.renew()
            except Exception as error:
                # Any error: a process that stops renewing loses access when its certificate expires.
                self._log.warning("renewal failed", error=str(error), valid_until=credentials.valid_until.isoformat())
                await self._clock.sleep(min(60.0, max(0.5, RETRY_PART * _lifetime(credentials))))

    def seconds_to_renewal(self, credentials: Credentials) -> float:
        """Return the seconds until the certificate should be renewed; 0 when that time has passed."""
        age = self._random.uniform(*HALF_LIFE) * _lifetime(credentials)
        at = credentials.valid_from + BACKDATE + timedelta(seconds=age)
        return max(0.0, (at - self._clock.now()).total_seconds())


def _lifetime(credentials: Credentials) -> float:
    return (credentials.valid_until - credentials.valid_from - BACKDATE).total_seconds()
