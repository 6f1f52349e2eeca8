"""Names of processes and nodes in certificates, and how they are read back.

::

    resource://root/<process-kind>/<name>
    resource://cluster/<cluster>/<process-kind>/<name>
    resource://cluster/<cluster>/node/<node>

A *scope* is the part that one intermediate authority vouches for: ``root`` or ``cluster/<cluster>``.
``identity_of`` promises that a leaf's URI lies in the scope of the authority that signed it: the
chain (checked by TLS before) proves the issuer's name, and no intermediate may sign another
authority. So a cluster whose key is stolen cannot speak for the root or for another cluster.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from controller.errors import Unauthenticated

ROOT = "root"
"""Scope of the root tier."""

NODE = "node"
"""Kind in the names of nodes."""

DOMAIN = "resource-service"
"""Last label of every DNS name in our certificates; it is never looked up."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def cluster_scope(cluster: str) -> str:
    """Scope of a cluster."""
    return f"cluster/{cluster}"


def scope_domain(scope: str) -> str:
    """Domain under which all DNS names of a scope lie: ``tokyo1.cluster.resource-service``."""
    return ".".join((*reversed(scope.split("/")), DOMAIN))


def authority_name(scope: str) -> str:
    """Common name of the intermediate authority of a scope."""
    return f"{DOMAIN} {scope}"


def server_name(scope: str, kind: str, name: str = "") -> str:
    """DNS name that a client demands of its server: any process of a kind, or one by name."""
    return ".".join((*((name,) if name else ()), kind, scope_domain(scope)))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a process is: scope, kind (``cluster-api``, ``node``, ...) and name."""

    scope: str
    kind: str
    name: str

    def __post_init__(self) -> None:
        labels = [*self.scope.split("/"), self.kind, self.name]
        scope_ok = self.scope == ROOT or re.fullmatch(r"cluster/[^/]+", self.scope)
        if not scope_ok or not all(_LABEL.fullmatch(label) for label in labels):
            raise Unauthenticated(f"not a valid identity: {self.uri!r}")

    @classmethod
    def node(cls, cluster: str, name: str) -> Identity:
        """Identity of a node's agent."""
        return cls(cluster_scope(cluster), NODE, name)

    @classmethod
    def parse(cls, uri: str) -> Identity:
        """Read a URI as above; raises Unauthenticated."""
        match = re.fullmatch(r"resource://(root|cluster/[^/]+)/([^/]+)/([^/]+)", uri)
        if match is None:
            raise Unauthenticated(f"not a valid identity: {uri!r}")
        return cls(*match.groups())

    @property
    def uri(self) -> str:
        return f"resource://{self.scope}/{self.kind}/{self.name}"

    @property
    def cluster(self) -> str:
        """The cluster's name; empty for the root tier."""
        return self.scope.partition("/")[2]

    @property
    def is_node(self) -> bool:
        return self.kind == NODE

    @property
    def dns_names(self) -> tuple[str, str]:
        """DNS names of the certificate, for ``server_name``."""
        return server_name(self.scope, self.kind), server_name(self.scope, self.kind, self.name)

    def __str__(self) -> str:
        return self.uri


@functools.lru_cache(maxsize=8192)
def identity_of(certificate: bytes) -> Identity:
    """Identity of a PEM certificate whose chain was verified (by TLS); raises Unauthenticated."""
    try:
        leaf = x509.load_pem_x509_certificate(certificate)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        issuers = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Unauthenticated("the certificate carries no identity") from error
    if len(uris) != 1:
        raise Unauthenticated(f"the certificate must carry one URI, not {len(uris)}")
    identity = Identity.parse(uris[0])
    issuer = str(issuers[0].value) if issuers else ""
    if issuer != authority_name(identity.scope):
        raise Unauthenticated(f"{issuer!r} may not vouch for {identity}")
    return identity
