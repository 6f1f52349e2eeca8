"""Names in certificates: what is read back is what was vouched for."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller.clock import SystemClock
from controller.errors import Forbidden, InvalidInput, Unauthenticated
from controller.pki import ROOT, Authority, Identity, cluster_scope, identity_of, make_request, server_name
from controller.pki.authority import _builder
from controller.pki.identity import NODE, authority_name
from controller.pki.request import new_key

CLOCK = SystemClock()
API = Identity(cluster_scope("tokyo1"), "cluster-api", "api-1")


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority.create_root(CLOCK)


@pytest.mark.parametrize(
    "uri",
    [
        "resource://root/resource-api/api-1",
        "resource://cluster/tokyo1/cluster-api/api-1",
        "resource://cluster/tokyo1/node/floor-1-1-1-rack-1-1-server1",
    ],
)
def test_uris_are_read_back_as_written(uri: str) -> None:
    assert Identity.parse(uri).uri == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "resource://root/x",
        "resource://root/a/b/c",
        "resource://cluster/tokyo1/node",
        "resource://cluster/tokyo1/node/a/b",
        "resource://cluster/tokyo1/node/A",
        "resource://cluster/tokyo1/node/..",
        "resource://cluster//node/a",
        "https://root/resource-api/api-1",
        "resource://root/resource-api/api-1\n",
    ],
)
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(Unauthenticated):
        Identity.parse(uri)


def test_names_of_a_certificate() -> None:
    assert API.dns_names == (
        "cluster-api.tokyo1.cluster.resource-service",
        "api-1.cluster-api.tokyo1.cluster.resource-service",
    )
    assert server_name(ROOT, "resource-api") == "resource-api.root.resource-service"
    assert Identity.node("tokyo1", "node-1").kind == NODE
    assert Identity.node("tokyo1", "node-1").cluster == "tokyo1"


def test_a_leaf_says_who_it_is(root: Authority) -> None:
    _, issued = root.create_intermediate(API.scope, CLOCK).issue(API, clock=CLOCK)
    assert identity_of(issued.chain) == API


def test_a_cluster_may_not_vouch_for_another_cluster_or_the_root(root: Authority) -> None:
    osaka = root.create_intermediate(cluster_scope("osaka1"), CLOCK)
    for wanted in (API, Identity(ROOT, "resource-controller", "rc-1")):
        _, request = make_request(wanted)
        with pytest.raises(Forbidden):
            osaka.sign(request, wanted, clock=CLOCK)


def test_a_stolen_cluster_key_cannot_speak_for_another_cluster(root: Authority) -> None:
    osaka = root.create_intermediate(cluster_scope("osaka1"), CLOCK)
    tokyo = root.create_intermediate(API.scope, CLOCK)
    # Under tokyo1's name as the issuer, the signature is not tokyo1's: TLS refuses the chain.
    _, issued = Authority(osaka._key, tokyo.certificate, osaka.roots).issue(API, clock=CLOCK)
    with pytest.raises(InvalidSignature):
        x509.load_pem_x509_certificate(issued.chain).verify_directly_issued_by(tokyo.certificate)
    # Under its own name the chain is good, and our check refuses the identity.
    with pytest.raises(Unauthenticated, match="may not sign"):
        identity_of(_leaf_out_of_scope(osaka))


def test_a_request_for_another_name_is_refused(root: Authority) -> None:
    tokyo = root.create_intermediate(API.scope, CLOCK)
    _, request = make_request(Identity.node("tokyo1", "node-2"))
    with pytest.raises(InvalidInput, match="node-2"):
        tokyo.sign(request, Identity.node("tokyo1", "node-1"), clock=CLOCK)


@pytest.mark.parametrize("request_pem", [b"", b"nonsense", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"])
def test_what_is_no_request_is_refused(root: Authority, request_pem: bytes) -> None:
    tokyo = root.create_intermediate(API.scope, CLOCK)
    with pytest.raises(InvalidInput, match="csr"):
        tokyo.sign(request_pem, API, clock=CLOCK)


def test_a_request_with_another_kind_of_key_is_refused(root: Authority) -> None:

    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(API.uri)]), critical=True)
        .sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256())
    )
    tokyo = root.create_intermediate(API.scope, CLOCK)
    with pytest.raises(InvalidInput, match="P-256"):
        tokyo.sign(request.public_bytes(serialization.Encoding.PEM), API, clock=CLOCK)


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_has_no_identity(pem: bytes) -> None:
    with pytest.raises(Unauthenticated):
        identity_of(pem)


def _leaf_out_of_scope(authority: Authority) -> bytes:
    """A leaf that a thief signs by hand: tokyo1's URI under osaka1's authority."""

    assert authority_name("cluster/osaka1") in authority.certificate.subject.rfc4514_string()
    key = new_key()
    now = CLOCK.now()
    until = authority.certificate.not_valid_after_utc
    return (
        _builder(x509.Name([]), authority.certificate.subject, key.public_key(), now, until)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(API.uri)]), critical=True)
        .sign(authority._key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
