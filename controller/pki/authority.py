"""Creates certificate authorities and signs certificates: the root, the intermediates and the leafs.

An ``Authority`` is a value: it keeps no state and serial numbers are random, so any number of
processes may sign with the same intermediate at the same time. Certificates are not revoked: a leaf
is valid for a day, and a process that may not renew any more loses access by then.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controller.clock import Clock
from controller.errors import Forbidden, InvalidInput, Problem
from controller.pki.identity import Identity, authority_name, scope_domain
from controller.pki.request import key_pem, make_request, new_key, read_request

BACKDATE = timedelta(minutes=5)
"""Certificates are valid from this long before they were signed, because clocks of machines differ."""

LEAF_TTL = timedelta(days=1)

_ROOT_NAME = "resource-service authority"


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long certificates are valid."""

    root: timedelta = timedelta(days=20 * 365)
    intermediate: timedelta = timedelta(days=5 * 365)
    leaf: timedelta = LEAF_TTL


@dataclass(frozen=True, slots=True)
class Issued:
    """What a signer returns: a PEM chain (leaf, then intermediate) and a PEM bundle of trusted roots."""

    chain: bytes
    roots: bytes


DEFAULT_LIFETIMES = Lifetimes()


class Authority:
    """A key that may sign, its certificate, and the trusted roots."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, roots: bytes) -> None:
        self._key = key
        self.certificate = certificate
        self.roots = roots

    @classmethod
    def create_root(cls, clock: Clock, lifetimes: Lifetimes = DEFAULT_LIFETIMES) -> Authority:
        """Return a new root authority; it signs intermediates only and can be kept offline afterwards."""
        key = new_key()
        name = _common_name(f"{_ROOT_NAME} {x509.random_serial_number() % 2**32:08x}")
        builder = _builder(name, name, key.public_key(), clock.now(), clock.now() + lifetimes.root)
        builder = _as_authority(builder, key.public_key(), path_length=1)
        certificate = builder.sign(key, hashes.SHA256())
        return cls(key, certificate, certificate.public_bytes(serialization.Encoding.PEM))

    def create_intermediate(self, scope: str, clock: Clock, lifetimes: Lifetimes = DEFAULT_LIFETIMES) -> Authority:
        """Return a new intermediate that may sign leafs of one scope (``root``, ``cluster/<cluster>``)."""
        key = new_key()
        until = min(clock.now() + lifetimes.intermediate, self.certificate.not_valid_after_utc)
        subject = _common_name(authority_name(scope))
        builder = _builder(subject, self.certificate.subject, key.public_key(), clock.now(), until)
        builder = _as_authority(builder, key.public_key(), path_length=0, issuer=self.certificate)
        builder = builder.add_extension(
            # Restricts its servers' names to its own domain; ``identity_of`` checks the URIs.
            x509.NameConstraints(permitted_subtrees=[x509.DNSName(scope_domain(scope))], excluded_subtrees=None),
            critical=True,
        )
        return Authority(key, builder.sign(self._key, hashes.SHA256()), self.roots)

    @classmethod
    def load(cls, pem: bytes, roots: bytes) -> Authority:
        """Parse what ``to_pem`` returns. Raises InvalidInput."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError as error:
            raise InvalidInput([Problem("authority", "is not a PEM key and certificate")]) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InvalidInput([Problem("authority", "the key must be ECDSA")])
        return cls(key, certificate, roots)

    def to_pem(self) -> bytes:
        """Return key and certificate, for a file of mode 0600."""
        return key_pem(self._key) + self.certificate.public_bytes(serialization.Encoding.PEM)

    def sign(
        self,
        request: bytes,
        identity: Identity,
        *,
        clock: Clock,
        ttl: timedelta = LEAF_TTL,
        addresses: Sequence[str] = (),
    ) -> Issued:
        """Sign a PEM request that asks for exactly ``identity``, which the caller has allowed.

        ``addresses``: IP addresses for the certificate, in addition to the names from the identity.
        Raises InvalidInput for a bad request, Forbidden for an identity outside of this authority's scope.
        """
        if self.certificate.subject != _common_name(authority_name(identity.scope)):
            raise Forbidden(f"this authority may not sign for {identity}")
        key = read_request(request, identity)
        now = clock.now()
        until = min(now + ttl, self.certificate.not_valid_after_utc)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity.uri)]
        names += [x509.DNSName(name) for name in identity.dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        leaf = (
            _builder(x509.Name([]), self.certificate.subject, key, now, until)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(_authority_key(self.certificate), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        return Issued(leaf.public_bytes(pem) + self.certificate.public_bytes(pem), self.roots)

    def issue(
        self,
        identity: Identity,
        *,
        clock: Clock,
        ttl: timedelta = LEAF_TTL,
        addresses: Sequence[str] = (),
    ) -> tuple[bytes, Issued]:
        """Return a new PEM key and its certificate, for a process with access to this authority."""
        key, request = make_request(identity)
        return key, self.sign(request, identity, clock=clock, ttl=ttl, addresses=addresses)


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(until)
    )


def _as_authority(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePublicKey,
    *,
    path_length: int,
    issuer: x509.Certificate | None = None,
) -> x509.CertificateBuilder:
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    return builder if issuer is None else builder.add_extension(_authority_key(issuer), critical=False)


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )
