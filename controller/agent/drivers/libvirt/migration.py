"""Sending a machine to another node: live, with its disks, arriving paused.

Peer to peer, libvirtd to libvirtd: the migration goes on when our process dies. The target keeps the
machine paused, always: a target libvirtd that is killed right after it set a machine going makes
the source go on with its copy, and two copies run. Paused, the worst case is a machine that waits.
Only the top layer of the root disk is sent; the target must have the same image at the same path,
which ``prepare_incoming`` sees to, by checksum, for libvirt does not check.
What binds the machine to this host's cpus and cells stays here: the target keeps it to its own before
it resumes it. Limits go with it, so that a target that cannot keep them refuses it.

Two faults of QEMU 7.2 are set right after a migration has broken off, both seen when the target's
libvirtd is killed while the source stops the machine (one try in seven, and one in twenty):

- libvirt cancels between QEMU's leaving of "active" and its "pre-switchover": QEMU then waits for a
  word that nobody sends, in "cancelling", for ever. ``end_cancelled`` sends it; the machine runs on.
- the cancel comes just after "pre-switchover": the machine runs on, but its disks may be inactive, and
  the next write would abort QEMU. ``take_disks`` activates them.

Not promised: an end in every case. When the source's libvirtd is restarted while QEMU hangs, libvirt
answers nothing about that machine any more, until its power is cut.
"""

from __future__ import annotations

import json
from typing import Any

import libvirt
import libvirt_qemu
import structlog

from controller.agent.drivers.libvirt import definition, observation
from controller.agent.drivers.libvirt.settings import LibvirtSettings
from controller.agent.drivers.types import MigrationTarget
from controller.errors import NotFound, TemporaryError

_log = structlog.get_logger("agent.libvirt")
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

_SENT = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE


def send(connect: libvirt.virConnect, uid: str, target: MigrationTarget, settings: LibvirtSettings) -> None:
    """Migrate and return when the target has the machine. Blocks for as long as it takes."""
    domain = observation.lookup(connect, uid)
    found = None if domain is None else definition.read(domain.XMLDesc())
    if domain is None or found is None:
        raise NotFound(f"no machine {uid} on this node")
    parameters: dict[str, object] = {
        libvirt.VIR_MIGRATE_PARAM_URI: settings.data_uri.format(address=target.address),
        libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS: list(found.disks),
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: definition.portable(domain.XMLDesc(_SENT)),
        libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: definition.portable(
            domain.XMLDesc(_SENT | libvirt.VIR_DOMAIN_XML_INACTIVE)
        ),
    }
    if settings.migration_bandwidth_mib:
        parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = settings.migration_bandwidth_mib
    domain.migrateToURI3(settings.peer_uri.format(address=target.address), parameters, FLAGS)


def end_cancelled(domain: libvirt.virDomain) -> None:
    """End a migration that QEMU has cancelled and cannot leave; one in any other state is not touched.

    A cancel that goes well takes milliseconds, and a word too many is dropped by QEMU.
    """
    if _monitor(domain, "query-migrate").get("status") != "cancelling":
        return
    _log.warning("QEMU hangs in a cancelled migration; ending it", domain=domain.name())
    try:
        _monitor(domain, "migrate-continue", state="cancelling")
    except TemporaryError as error:  # it has ended meanwhile
        _log.info("the migration ended by itself", domain=domain.name(), error=error.message)


def take_disks(domain: libvirt.virDomain) -> None:
    """Make a running machine's disks active; those that are stay as they are."""
    _monitor(domain, "cont")


def _monitor(domain: libvirt.virDomain, command: str, **arguments: str) -> dict[str, Any]:
    """Ask QEMU itself, where libvirt has no call for it."""
    request = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, request, 0))
    if "error" in answer:
        raise TemporaryError(f"QEMU refuses {command}: {answer['error'].get('desc', '')}")
    result = answer.get("return")
    return result if isinstance(result, dict) else {}


def abort(connect: libvirt.virConnect, uid: str) -> None:
    """Break off the machine's migration, if one is under way."""
    domain = observation.lookup(connect, uid)
    if domain is not None and domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
        domain.abortJob()
