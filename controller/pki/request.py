"""Creates and reads keys and signing requests; all keys are ECDSA on P-256."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controller.errors import InvalidInput, Problem
from controller.pki.identity import Identity


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new private key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the key as unencrypted PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def make_request(identity: Identity) -> tuple[bytes, bytes]:
    """Return a new key and a signing request for ``identity``, both PEM."""
    key = new_key()
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key_pem(key), request.public_bytes(serialization.Encoding.PEM)


def read_request(request: bytes, identity: Identity) -> ec.EllipticCurvePublicKey:
    """Return the public key of a PEM request that proves its key and asks for ``identity`` only.

    Raises InvalidInput (path ``csr``). Nothing else is copied from the request.
    """
    try:
        parsed = x509.load_pem_x509_csr(request)
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        asked = names.get_values_for_type(x509.UniformResourceIdentifier)
        key = parsed.public_key()
        proven = parsed.is_signature_valid
    except Exception as error:  # cryptography raises many kinds of errors for malformed bytes
        raise InvalidInput([Problem("csr", "must be a signing request with a URI name")]) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidInput([Problem("csr", "the key must be ECDSA on P-256")])
    if not proven:
        raise InvalidInput([Problem("csr", "the signature does not match the key")])
    if asked != [identity.uri]:
        raise InvalidInput([Problem("csr", f"asks for {', '.join(asked) or 'no name'}; only {identity} is allowed")])
    return key
