"""Keeps the tree of authorities in one folder: for one machine, a lab, and the operator's first setup.

::

    <folder>/root/authority.pem          root authority; may be moved offline once its children exist
    <folder>/root/bundle.pem
    <folder>/scopes/root/authority.pem             intermediate of the root tier
    <folder>/scopes/cluster/<cluster>/authority.pem  intermediate of a cluster

Creating an authority that exists changes nothing, so every start may call it. Two processes must not
create one tree at the same time.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from controller.clock import Clock
from controller.errors import Unavailable
from controller.pki.authority import DEFAULT_LIFETIMES, Authority, Lifetimes
from controller.pki.files import CredentialFolder, Credentials
from controller.pki.identity import Identity


class AuthorityTree:
    """The authorities in a folder, created when they are first needed."""

    def __init__(self, path: Path, *, clock: Clock, lifetimes: Lifetimes = DEFAULT_LIFETIMES) -> None:
        self._path = path
        self._clock = clock
        self._lifetimes = lifetimes

    def root(self) -> Authority:
        """Return the root authority; one that is lost is not replaced.

        Raises Unavailable when the folder has only its certificate (it is offline), or not even that.
        """
        folder = CredentialFolder(self._path / "root")
        if not folder.has_authority():
            if (self._path / "scopes").exists():
                raise Unavailable(
                    f"{folder.path} has no root authority, and authorities that it signed are in {self._path}: put it "
                    "back; a new one would not be trusted by what exists"
                )
            folder.store_authority(Authority.create_root(self._clock, self._lifetimes))
        return folder.load_authority()

    def scope_folder(self, scope: str) -> Path:
        """Return the folder of a scope's intermediate (``root``, ``cluster/<cluster>``), for ``local_issuer``."""
        folder = CredentialFolder(self._path / "scopes" / scope)
        if not folder.has_authority():
            folder.store_authority(self.root().create_intermediate(scope, self._clock, self._lifetimes))
        return folder.path

    def scope(self, scope: str) -> Authority:
        """Return the intermediate of a scope."""
        return CredentialFolder(self.scope_folder(scope)).load_authority()

    def issue(self, identity: Identity, folder: Path, *, ttl: timedelta | None = None) -> Credentials:
        """Write new credentials of ``identity`` into ``folder``."""
        authority = self.scope(identity.scope)
        key, issued = authority.issue(identity, clock=self._clock, ttl=ttl or self._lifetimes.leaf)
        return CredentialFolder(folder).store(key, issued)
