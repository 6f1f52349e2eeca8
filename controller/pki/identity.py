"""Defines the identities of processes and nodes, and reads them from certificates.

::

    resource://root/<process-kind>/<name>
    resource://cluster/<cluster>/<process-kind>/<name>
    resource://cluster/<cluster>/node/<node>

A *scope* is the part that one intermediate authority may sign for: ``root`` or ``cluster/<cluster>``.
``identity_of`` ensures that a leaf's URI is in the scope of the authority that signed it: the chain
(verified by TLS before) proves the issuer's name, and an intermediate cannot sign another
authority. So the stolen key of a cluster does not give an identity of the root or of another cluster.
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
"""Kind in the identities of nodes."""

DOMAIN = "resource-service"
"""Last label of every DNS name in our certificates; it is never resolved."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def cluster_scope(cluster: str) -> str:
    """Return the scope of a cluster."""
    return f"cluster/{cluster}"


def scope_domain(scope: str) -> str:
    """Return the domain of all DNS names of a scope: ``tokyo1.cluster.resource-service``."""
    return ".".join((*reversed(scope.split("/")), DOMAIN))


def authority_name(scope: str) -> str:
    """Return the common name of the intermediate authority of a scope."""
    return f"{DOMAIN} {scope}"


def server_name(scope: str, kind: str, name: str = "") -> str:
    """Return the DNS name that a client requires of its server: any process of a kind, or one by name."""
    return ".".join((*((name,) if name else ()), kind, scope_domain(scope)))


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a process: scope, kind (``cluster-api``, ``node``, ...) and name."""

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
        """Return the identity of a node's agent."""
        return cls(cluster_scope(cluster), NODE, name)

    @classmethod
    def parse(cls, uri: str) -> Identity:
        """Parse a URI as above. Raises Unauthenticated."""
        match = re.fullmatch(r"resource://(root|cluster/[^/]+)/([^/]+)/([^/]+)", uri)
        if match is None:
            raise Unauthenticated(f"not a valid identity: {uri!r}")
        return cls(*match.groups())

    @property
    def uri(self) -> str:
        return f"resource://{self.scope}/{self.kind}/{self.name}"

    @property
    def cluster(self) -> str:
        """Return the cluster's name; empty for the root tier."""
        return self.scope.partition("/")[2]

    @property
    def dns_names(self) -> tuple[str, str]:
        """Return the DNS names of the certificate, as ``server_name`` makes them."""
        return server_name(self.scope, self.kind), server_name(self.scope, self.kind, self.name)

    def __str__(self) -> str:
        return self.uri


@functools.lru_cache(maxsize=8192)
def identity_of(certificate: bytes) -> Identity:
    """Return the identity in a PEM certificate whose chain TLS has verified. Raises Unauthenticated."""
    try:
        leaf = x509.load_pem_x509_certificate(certificate)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        issuers = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, x509.ExtensionNotFound) as error:
        raise Unauthenticated("the certificate does not contain an identity") from error
    if len(uris) != 1:
        raise Unauthenticated(f"the certificate must contain one URI, not {len(uris)}")
    identity = Identity.parse(uris[0])
    issuer = str(issuers[0].value) if issuers else ""
    if issuer != authority_name(identity.scope):
        raise Unauthenticated(f"{issuer!r} may not sign for {identity}")
    return identity
