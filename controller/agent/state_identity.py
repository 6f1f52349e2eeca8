"""Marks folders as the state of one node, for the state guard: each has a file that says whose it is.

All folders of a node have the same ``uid``, which is made at the node's first start. So a folder that is missing, that
is another node's, or that is of an earlier installation of this node is recognised by reading it.

A first start that was killed half-way is finished by the next: the files say ``pending`` until all of them are there.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from controller.agent.atomic_file import read_or_none, write_durably
from controller.errors import Unavailable

FILE = "node-identity"
"""Name of the file in each folder."""


@dataclass(frozen=True)
class StateIdentity:
    """The content of the file."""

    node: str
    cluster: str
    uid: str
    pending: bool = False
    """The first start has not marked all folders yet."""

    def __str__(self) -> str:
        """Return whose state it is."""
        return f"node {self.node}" + (f" of cluster {self.cluster}" if self.cluster else "")


def read(folder: Path) -> StateIdentity | None:
    """Return what the folder says; None when it says nothing. Raises OSError, Unavailable for a damaged file."""
    content = read_or_none(folder / FILE)
    if content is None:
        return None
    try:
        return StateIdentity(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise Unavailable(f"{folder / FILE} is damaged") from error


def claim(folders: Sequence[Path], node: str, cluster: str, credentials: Path | None = None) -> StateIdentity:
    """Return the identity that all folders have; the first start marks them, and creates those that do not exist.

    ``credentials`` has a mark too, and gets it again without a question: a node that joins again has a new folder.
    Raises Unavailable when one is another node's, or is not marked while others are; OSError.
    """
    every = [*folders, *([credentials] if credentials is not None else [])]
    found = {folder: read(folder) for folder in every}
    own = StateIdentity(node, cluster, str(uuid.uuid4()))
    marked = {folder: identity for folder, identity in found.items() if identity is not None}
    for folder, identity in marked.items():
        if (identity.node, identity.cluster) != (node, cluster):
            raise Unavailable(f"the state folder {folder} is the state of {identity}, not of {own}")
    if marked:
        first, own = next(iter(marked.items()))
        for folder, identity in marked.items():
            if identity.uid != own.uid:
                raise Unavailable(f"the state folders {first} and {folder} are of two installations of {own}")
        missing = [folder for folder in folders if folder not in marked]
        if missing and not any(identity.pending for identity in marked.values()):
            raise Unavailable(
                f"the state folder {missing[0]} is not the state of {own}: it has no {FILE}, and {first} has one "
                f"(if it is lost for good, delete {first / FILE})"
            )
    _mark([folder for folder in every if folder not in marked], replace(own, pending=True))
    own = replace(own, pending=False)
    _mark([folder for folder in every if marked.get(folder) != own], own)
    return own


def _mark(folders: Sequence[Path], identity: StateIdentity) -> None:
    for folder in folders:
        write_durably(folder / FILE, json.dumps(asdict(identity)).encode())
