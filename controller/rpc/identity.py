"""Who calls, and whether they may.

TLS has checked the chain before a handler runs; here the name is read and compared. There is no
other authorisation between our processes: each handler begins with ``require_identity``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

from grpc import aio

from controller.errors import Forbidden, Unauthenticated
from controller.pki import Identity, identity_of

Context: TypeAlias = "aio.ServicerContext[Any, Any]"


def peer_identity(context: Context) -> Identity:
    """Identity in the caller's certificate; raises Unauthenticated when it showed none."""
    for shown in context.auth_context().get("x509_pem_cert", ()):
        return identity_of(shown)
    raise Unauthenticated("this call needs a client certificate")


def require_identity(
    context: Context, *, scope: str | None = None, kinds: Collection[str] = (), name: str | None = None
) -> Identity:
    """The caller's identity, when it is of that scope, one of those kinds and that name.

    What is left out is not asked for. Raises Unauthenticated or Forbidden.
    """
    identity = peer_identity(context)
    wrong_scope = scope is not None and identity.scope != scope
    wrong_kind = bool(kinds) and identity.kind not in kinds
    wrong_name = name is not None and identity.name != name
    if wrong_scope or wrong_kind or wrong_name:
        raise Forbidden(f"{identity} may not do this")
    return identity
