"""The certificate of a process: whose it must be, where it comes from, and the wait for it at start.

A process that has its authority's key at hand issues its own certificates; every other one gets them from a
``Renewer`` that it is given, or from files that an operator provides, also after the start.

Design: F4
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog

from controller.clock import Clock
from controller.errors import ResourceError, Unauthenticated
from controller.model.service_process import ProcessKind
from controller.pki import ROOT, CredentialFolder, Identity, Renewer, cluster_scope, local_issuer
from controller.process.settings import ProcessSettings

_RETRY_SECONDS = 1.0


def identity_of(kind: ProcessKind, settings: ProcessSettings) -> Identity:
    """Return the identity that the certificate of a process must have."""
    if kind is ProcessKind.CLUSTER_AGENT:
        return Identity.node(settings.cluster or "", settings.name)
    return Identity(cluster_scope(settings.cluster) if settings.cluster else ROOT, kind.value, settings.name)


def local_renewer(
    folder: CredentialFolder, identity: Identity, settings: ProcessSettings, clock: Clock
) -> Renewer | None:
    """Return the renewer of a process whose settings name an authority; None for others."""
    tls = settings.tls
    if tls.authority is None:
        return None
    ttl = timedelta(seconds=tls.lifetime_seconds)
    issuer = local_issuer(tls.authority, identity, clock=clock, ttl=ttl)
    return Renewer(folder, identity, issuer, clock=clock)


async def wait_for_certificate(
    folder: CredentialFolder,
    identity: Identity,
    renewer: Renewer | None,
    *,
    clock: Clock,
    not_ready: Callable[[str], None],
) -> None:
    """Return once the folder has a certificate of this identity; ``not_ready`` gets the reason after each attempt."""
    log = structlog.get_logger("process")
    failing = False
    while True:
        try:
            if renewer is not None:
                await renewer.ensure()
            found = folder.load().identity
            if found != identity:
                raise Unauthenticated(f"the certificate is for {found}; wanted: {identity}")
        except ResourceError as error:
            if not failing:
                log.warning("no certificate yet", error=error.message)
            failing = True
            not_ready(f"no certificate: {error.message}")
            await clock.sleep(_RETRY_SECONDS)
        else:
            return
