"""Where keys and certificates lie: one folder per process.

::

    <folder>/identity.pem   0600  key, leaf, intermediate: one file, so that they change together
    <folder>/bundle.pem     0644  trusted roots; several while the root authority is being changed
    <folder>/authority.pem  0600  key and certificate of an intermediate, where this process signs

Files are written beside and renamed over the old ones: a reader sees the old or the new, never
half of one, and never a key that does not fit its certificate. Writers of one folder do not lock
each other out; the last one wins, and each result is valid.
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
    """PEM forms of what a process shows and trusts."""

    key: bytes
    chain: bytes
    roots: bytes

    @property
    def identity(self) -> Identity:
        """Who the certificate says we are."""
        return identity_of(self.leaf)

    @property
    def leaf(self) -> bytes:
        """The first certificate of the chain."""
        return self.chain[: self.chain.index(b"-----END CERTIFICATE-----")] + b"-----END CERTIFICATE-----\n"

    @property
    def valid_until(self) -> datetime:
        """When the leaf ends."""
        return x509.load_pem_x509_certificate(self.leaf).not_valid_after_utc

    @property
    def valid_from(self) -> datetime:
        """When the leaf begins (a little before it was signed)."""
        return x509.load_pem_x509_certificate(self.leaf).not_valid_before_utc


class CredentialFolder:
    """Reads and writes a process's folder; reading again is cheap while nothing changed.

    ``load`` returns the same object until the files change, and may be called from any thread.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loaded: tuple[_Stamp, Credentials] | None = None

    def load(self) -> Credentials:
        """What the folder holds now; raises Unavailable (files missing) or InvalidInput (not ours)."""
        try:
            # The stamp is taken before the content, so that content is never taken for newer than it is.
            stamp = _stamp(self.path / IDENTITY_FILE), _stamp(self.path / BUNDLE_FILE)
            loaded = self._loaded
            if loaded is None or loaded[0] != stamp:
                loaded = (stamp, _parse((self.path / IDENTITY_FILE).read_bytes(), self.roots()))
                self._loaded = loaded
        except OSError as error:
            raise Unavailable(f"no credentials in {self.path}: {error.strerror}") from error
        return loaded[1]

    def roots(self) -> bytes:
        """The trusted roots; raises Unavailable."""
        try:
            return (self.path / BUNDLE_FILE).read_bytes()
        except OSError as error:
            raise Unavailable(f"no trusted roots in {self.path}: {error.strerror}") from error

    def exists(self) -> bool:
        """Whether there is an identity (valid or not)."""
        return (self.path / IDENTITY_FILE).exists()

    def store(self, key: bytes, issued: Issued) -> Credentials:
        """Write a new identity and the roots that came with it."""
        self.store_roots(issued.roots)
        write_private(self.path / IDENTITY_FILE, key + issued.chain)
        return self.load()

    def store_roots(self, roots: bytes) -> None:
        """Write the trusted roots."""
        write_file(self.path / BUNDLE_FILE, roots, mode=0o644)

    def store_authority(self, authority: Authority) -> None:
        """Write an authority that this process signs with, and the roots behind it (last: see has_authority)."""
        write_private(self.path / AUTHORITY_FILE, authority.to_pem())
        self.store_roots(authority.roots)

    def has_authority(self) -> bool:
        """Whether an authority was written completely; one without roots has never signed anything."""
        return (self.path / BUNDLE_FILE).exists()

    def load_authority(self) -> Authority:
        """The authority of this folder; raises Unavailable or InvalidInput."""
        try:
            pem = (self.path / AUTHORITY_FILE).read_bytes()
        except OSError as error:
            raise Unavailable(f"no authority in {self.path}: {error.strerror}") from error
        return Authority.load(pem, self.roots())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, at once."""
    write_file(path, content, mode=0o600)


def write_file(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file at once: beside, flushed to the disk, renamed over the old one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask was
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _parse(pem: bytes, roots: bytes) -> Credentials:
    keys: list[bytes] = []
    certificates: list[bytes] = []
    for block in _BLOCK.finditer(pem):
        (keys if b"PRIVATE KEY" in block[1] else certificates).append(block[0])
    if len(keys) != 1 or not certificates:
        raise InvalidInput([Problem(IDENTITY_FILE, "must hold one private key and its certificates")])
    return Credentials(keys[0], b"".join(certificates), roots)
