"""What the handlers of the REST API use, and whose a request is: the token that its Authorization header names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from controller.clock import Clock
from controller.errors import Unauthenticated, Unavailable
from controller.model.access import Token
from controller.root.api.client_limits import ClientLimits
from controller.root.api.refused_writes import RefusedWrites
from controller.root.api.settings import ApiSettings
from controller.root.cluster_gateway import ClusterCalls
from controller.store import tokens
from controller.store.changes import Feed
from controller.store.database import Database


@dataclass(frozen=True)
class Services:
    """What handlers use: database, changes, clock, settings and the clusters."""

    db: Database
    feed: Feed
    clock: Clock
    settings: ApiSettings
    rpc: ClusterCalls | None
    limits: ClientLimits
    refusals: RefusedWrites

    def cluster_calls(self) -> ClusterCalls:
        """Return the connection to the clusters; raises Unavailable if this process has none."""
        if self.rpc is None:
            raise Unavailable("this process has no connection to the clusters")
        return self.rpc


async def authenticate(services: Services, header: str | None, address: str) -> Token:
    """Return the token of an Authorization header; raises Unauthenticated, and TooManyRequests for bad ones."""
    if header is None:
        raise Unauthenticated("a token is needed: Authorization: Bearer <token>")
    scheme, _, secret = header.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise Unauthenticated("the Authorization header must be: Bearer <token>")
    verify = partial(services.db.aread, lambda tx: tokens.verify(tx, secret))
    token = await services.limits.lookups.look_up(address, secret, verify)
    if token is None:
        raise Unauthenticated("the token is not known, was revoked or has expired")
    return token
