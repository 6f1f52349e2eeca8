"""Sending a machine to another node: live, with its disks, arriving paused.

Peer to peer, libvirtd to libvirtd: the migration goes on when our process dies. The target keeps the
machine paused, always: a target libvirtd that is killed right after it set a machine going makes
the source go on with its copy, and two copies run. Paused, the worst case is a machine that waits.
Only the top layer of the root disk is sent; the target must have the same image at the same path,
which ``prepare_incoming`` sees to, by checksum, for libvirt does not check.

Not promised: an end in every case. When the target's libvirtd dies in the very instant in which the
source stops the machine, QEMU 7.2 may hang in its state "cancelling"; the machine then stays paused
on the source with a job under way, until ``stop`` cuts its power.
"""

from __future__ import annotations

import libvirt

from controller.agent.drivers.base import MigrationTarget
from controller.agent.drivers.libvirt import definition, observing
from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.errors import NotFound

FLAGS = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_PAUSED
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    | libvirt.VIR_MIGRATE_NON_SHARED_INC
    # A machine that writes faster than it is sent is slowed down until it fits.
    | libvirt.VIR_MIGRATE_AUTO_CONVERGE
    | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
)


def send(connect: libvirt.virConnect, uid: str, target: MigrationTarget, settings: LibvirtSettings) -> None:
    """Migrate and return when the target has the machine. Blocks for as long as it takes."""
    domain = observing.lookup(connect, uid)
    found = None if domain is None else definition.read(domain.XMLDesc())
    if domain is None or found is None:
        raise NotFound(f"no machine {uid} on this node")
    parameters: dict[str, object] = {
        libvirt.VIR_MIGRATE_PARAM_URI: settings.data_uri.format(address=target.address),
        libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: list(found.disks),
    }
    if settings.migration_bandwidth_mib:
        parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = settings.migration_bandwidth_mib
    domain.migrateToURI3(settings.peer_uri.format(address=target.address), parameters, FLAGS)


def abort(connect: libvirt.virConnect, uid: str) -> None:
    """Break off the machine's migration, if one is under way."""
    domain = observing.lookup(connect, uid)
    if domain is not None and domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
        domain.abortJob()
