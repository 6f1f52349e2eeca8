"""Authorises callers of gRPC handlers by the identity in their certificate.

TLS has verified the chain before a handler runs; this module reads the identity and compares it. Our
processes have no other authorisation between each other: each handler begins with
``require_identity``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

from grpc import aio

from controller.errors import Forbidden, Unauthenticated
from controller.pki import Identity, identity_of

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


def peer_identity(context: Context) -> Identity:
    """Return the identity in the caller's certificate. Raises Unauthenticated when it presented none."""
    for shown in context.auth_context().get("x509_pem_cert", ()):
        return identity_of(shown)
    raise Unauthenticated("this call needs a client certificate")


def require_identity(
    context: Context, *, scope: str | None = None, kinds: Collection[str] = (), name: str | None = None
) -> Identity:
    """Return the caller's identity if it has that scope, one of those kinds and that name.

    An argument that is left out is not checked. Raises Unauthenticated or Forbidden.
    """
    identity = peer_identity(context)
    wrong_scope = scope is not None and identity.scope != scope
    wrong_kind = bool(kinds) and identity.kind not in kinds
    wrong_name = name is not None and identity.name != name
    if wrong_scope or wrong_kind or wrong_name:
        raise Forbidden(f"{identity} may not do this")
    return identity
