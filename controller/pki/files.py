"""Reads and writes the keys and certificates of a process: one folder per process.

::

    <folder>/identity.pem   0600  key, leaf, intermediate: one file, so that they change together
    <folder>/bundle.pem     0644  trusted roots; several while the root authority is being changed
    <folder>/authority.pem  0600  key and certificate of an intermediate, where this process signs

A new file is written under another name and renamed over the old one: a reader gets the old or the
new file, never a part of one, and never a key that does not match its certificate. Writers of one
folder do not lock each other; the last one wins, and each result is valid.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from controller.errors import InvalidInput, Problem, Unavailable
from controller.pki.authority import Authority, Issued
from controller.pki.identity import Identity, identity_of

IDENTITY_FILE = "identity.pem"
BUNDLE_FILE = "bundle.pem"
AUTHORITY_FILE = "authority.pem"

_Stamp = tuple[tuple[int, ...], tuple[int, ...]]

_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The certificate that a process presents, its key, and the roots that it trusts, all PEM."""

    key: bytes
    chain: bytes
    roots: bytes

    @property
    def identity(self) -> Identity:
        """Return the identity in the certificate."""
        return identity_of(self.leaf)

    @property
    def leaf(self) -> bytes:
        """Return the first certificate of the chain."""
        return self.chain[: self.chain.index(b"-----END CERTIFICATE-----")] + b"-----END CERTIFICATE-----\n"

    @property
    def valid_until(self) -> datetime:
        """Return until when the leaf is valid."""
        return x509.load_pem_x509_certificate(self.leaf).not_valid_after_utc

    @property
    def valid_from(self) -> datetime:
        """Return from when the leaf is valid (a little before it was signed)."""
        return x509.load_pem_x509_certificate(self.leaf).not_valid_before_utc


class CredentialFolder:
    """A process's folder; repeated reads are cheap while nothing changes.

    ``load`` returns the same object until the files change, and may be called from any thread.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loaded: tuple[_Stamp, Credentials] | None = None

    def load(self) -> Credentials:
        """Return the credentials in the folder. Raises Unavailable (missing files), InvalidInput (invalid files)."""
        try:
            # The stamp is read before the content, so that old content never gets a new stamp.
            stamp = _stamp(self.path / IDENTITY_FILE), _stamp(self.path / BUNDLE_FILE)
            loaded = self._loaded
            if loaded is None or loaded[0] != stamp:
                loaded = (stamp, _parse((self.path / IDENTITY_FILE).read_bytes(), self.roots()))
                self._loaded = loaded
        except OSError as error:
            raise Unavailable(f"cannot read the credentials in {self.path}: {error.strerror}") from error
        return loaded[1]

    def roots(self) -> bytes:
        """Return the trusted roots. Raises Unavailable."""
        try:
            return (self.path / BUNDLE_FILE).read_bytes()
        except OSError as error:
            raise Unavailable(f"cannot read the trusted roots in {self.path}: {error.strerror}") from error

    def exists(self) -> bool:
        """Return whether the folder has an identity (valid or not)."""
        return (self.path / IDENTITY_FILE).exists()

    def store(self, key: bytes, issued: Issued) -> Credentials:
        """Write a new identity and the roots that came with it.

        Raises Unavailable when the folder had credentials and has none now: it was deleted or unmounted.
        """
        if self._loaded is not None and not self.exists():
            raise Unavailable(
                f"the credentials in {self.path} do not exist any more (is it mounted?): none are written"
            )
        self.store_roots(issued.roots)
        write_private(self.path / IDENTITY_FILE, key + issued.chain)
        return self.load()

    def store_roots(self, roots: bytes) -> None:
        """Write the trusted roots."""
        write_file(self.path / BUNDLE_FILE, roots, mode=0o644)

    def store_authority(self, authority: Authority) -> None:
        """Write an authority that this process signs with, and then its roots (in this order: see has_authority)."""
        write_private(self.path / AUTHORITY_FILE, authority.to_pem())
        self.store_roots(authority.roots)

    def has_authority(self) -> bool:
        """Return whether an authority was written completely; one without roots has never signed anything."""
        return (self.path / BUNDLE_FILE).exists()

    def load_authority(self) -> Authority:
        """Return the authority in this folder. Raises Unavailable or InvalidInput."""
        try:
            pem = (self.path / AUTHORITY_FILE).read_bytes()
        except OSError as error:
            raise Unavailable(f"cannot read the authority in {self.path}: {error.strerror}") from error
        return Authority.load(pem, self.roots())


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically that only its owner may read."""
    write_file(path, content, mode=0o600)


def write_file(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file atomically: under another name, flushed to the disk, renamed over the old one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask is
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _parse(pem: bytes, roots: bytes) -> Credentials:
    keys: list[bytes] = []
    certificates: list[bytes] = []
    for block in _BLOCK.finditer(pem):
        (keys if b"PRIVATE KEY" in block[1] else certificates).append(block[0])
    if len(keys) != 1 or not certificates:
        raise InvalidInput([Problem(IDENTITY_FILE, "must contain one private key and its certificates")])
    return Credentials(keys[0], b"".join(certificates), roots)
