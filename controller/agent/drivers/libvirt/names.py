"""Derives the names of a machine's domain and interfaces from its uid, for the libvirt driver and for tests.

The names follow from the uid alone, so they are equal on every node.
"""

from __future__ import annotations

import hashlib
import uuid

from controller.hostnet.service import TAP_PREFIX
from controller.model.compute import ComputeSpec

_UUIDS = uuid.UUID("6e1d6f0c-7a0f-5c53-9d7c-0d6a4f4f6b1a")


def domain_uuid(uid: str) -> str:
    """Return the UUID of the machine's domain."""
    return str(uuid.uuid5(_UUIDS, uid))


def tap_name(uid: str, index: int) -> str:
    """Return the host interface of the machine's NIC ``index``; 15 characters at most (the kernel's limit)."""
    return f"{TAP_PREFIX}{hashlib.sha256(uid.encode()).hexdigest()[:10]}{index:02x}"


def tap_names(uid: str, spec: ComputeSpec) -> tuple[str, ...]:
    """Return the host interfaces in the order of the spec's."""
    return tuple(tap_name(uid, index) for index in range(len(spec.interfaces)))
