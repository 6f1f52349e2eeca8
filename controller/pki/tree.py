"""The tree of authorities in one folder: for one machine, a lab, and for the operator's first setup.

::

    <folder>/root/authority.pem          root authority; may be moved offline once its children exist
    <folder>/root/bundle.pem
    <folder>/scopes/root/authority.pem             intermediate of the root tier
    <folder>/scopes/cluster/<cluster>/authority.pem  intermediate of a cluster

Making what exists already changes nothing, so that every start may call it. Two processes must not make one tree
at the same time.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from controller.clock import Clock
from controller.pki.authority import DEFAULT_LIFETIMES, Authority, Lifetimes
from controller.pki.files import CredentialFolder, Credentials
from controller.pki.identity import Identity


class AuthorityTree:
    """Authorities in a folder, made when first asked for."""

    def __init__(self, path: Path, *, clock: Clock, lifetimes: Lifetimes = DEFAULT_LIFETIMES) -> None:
        self._path = path
        self._clock = clock
        self._lifetimes = lifetimes

    def root(self) -> Authority:
        """The root authority; raises Unavailable when only its certificate is here (it is offline)."""
        folder = CredentialFolder(self._path / "root")
        if not folder.has_authority():
            folder.store_authority(Authority.create_root(self._clock, self._lifetimes))
        return folder.load_authority()

    def scope_folder(self, scope: str) -> Path:
        """Folder of a scope's intermediate (``root``, ``cluster/<cluster>``), for ``local_issuer``."""
        folder = CredentialFolder(self._path / "scopes" / scope)
        if not folder.has_authority():
            folder.store_authority(self.root().create_intermediate(scope, self._clock, self._lifetimes))
        return folder.path

    def scope(self, scope: str) -> Authority:
        """The intermediate of a scope."""
        return CredentialFolder(self.scope_folder(scope)).load_authority()

    def issue(self, identity: Identity, folder: Path, *, ttl: timedelta | None = None) -> Credentials:
        """Write fresh credentials of ``identity`` into ``folder``."""
        authority = self.scope(identity.scope)
        key, issued = authority.issue(identity, clock=self._clock, ttl=ttl or self._lifetimes.leaf)
        return CredentialFolder(folder).store(key, issued)
