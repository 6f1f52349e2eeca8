"""The certificates that our processes identify themselves with: authorities, identities, files, renewal.

A root authority (which may be kept offline) signs one intermediate for the root tier and one per
cluster; intermediates sign leafs. A leaf has one URI as its identity, and DNS names made from
it: TLS checks the name of a server, and our code checks the identity of a client.
"""

from controller.pki.authority import Authority, Issued, Lifetimes
from controller.pki.files import AUTHORITY_FILE, BUNDLE_FILE, IDENTITY_FILE, CredentialFolder, Credentials
from controller.pki.identity import ROOT, Identity, cluster_scope, identity_of, server_name
from controller.pki.renew import Issuer, Renewer, local_issuer
from controller.pki.request import make_request
from controller.pki.tree import AuthorityTree

__all__ = [
    "AUTHORITY_FILE",
    "BUNDLE_FILE",
    "IDENTITY_FILE",
    "ROOT",
    "Authority",
    "AuthorityTree",
    "CredentialFolder",
    "Credentials",
    "Identity",
    "Issued",
    "Issuer",
    "Lifetimes",
    "Renewer",
    "cluster_scope",
    "identity_of",
    "local_issuer",
    "make_request",
    "server_name",
]
