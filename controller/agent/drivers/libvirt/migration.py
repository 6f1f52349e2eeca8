"""Sends a machine to another node, live, with its disks; it arrives paused. For the libvirt driver.

Peer to peer, libvirtd to libvirtd: the migration goes on when our process dies. The target always
keeps the machine paused: when a target's libvirtd is killed right after it has resumed a machine,
the source resumes its copy too, and two copies run. With a paused machine, the worst case is a
machine that waits.

Only the top layer of the root disk is sent. The target must have the same image at the same path;
``prepare_incoming`` ensures that by checksum, since libvirt does not check it. What binds the
machine to this host's cpus and cells is not sent: the target binds it to its own before it resumes
it. Limits are sent, so that a target that cannot apply them refuses the machine.

Two faults of QEMU 7.2 are repaired after a migration has broken off. Both were seen when the
target's libvirtd was killed while the source stopped the machine (in one of seven tries, and in one
of twenty):

- libvirt cancels after QEMU has left "active" and before its "pre-switchover". QEMU then waits in
  "cancelling", for ever, for a command that libvirt does not send. ``end_cancelled`` sends it, and the
  machine runs on.
- The cancel comes just after "pre-switchover". The machine runs on, but its disks may be inactive,
  and the next write would abort QEMU. ``activate_disks`` activates them.

Not promised: an end in every case. When the source's libvirtd is restarted while QEMU hangs,
libvirt does not answer about that machine any more until its power is cut.
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
    """Migrate and return when the target has the machine. Blocks for as long as that takes."""
    domain = observation.lookup(connect, uid)
    found = None if domain is None else definition.parse(domain.XMLDesc())
    if domain is None or found is None:
        raise NotFound(f"machine {uid} does not exist on this node")
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
    """End a migration that QEMU has cancelled and cannot leave; one in any other state is not changed.

    A normal cancel takes milliseconds, and QEMU ignores a command that it does not need.
    """
    if _monitor(domain, "query-migrate").get("status") != "cancelling":
        return
    _log.warning("QEMU hangs in a cancelled migration; ending it", domain=domain.name())
    try:
        _monitor(domain, "migrate-continue", state="cancelling")
    except TemporaryError as error:  # it ended between the two commands
        _log.info("the migration ended by itself", domain=domain.name(), error=error.message)


def activate_disks(domain: libvirt.virDomain) -> None:
    """Activate a running machine's disks; active ones stay as they are."""
    _monitor(domain, "cont")


def _monitor(domain: libvirt.virDomain, command: str, **arguments: str) -> dict[str, Any]:
    """Send a command to QEMU directly, where libvirt does not have a call for it."""
    request = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, request, 0))
    if "error" in answer:
        raise TemporaryError(f"QEMU refuses {command}: {answer['error'].get('desc', '')}")
    result = answer.get("return")
    return result if isinstance(result, dict) else {}


def abort(connect: libvirt.virConnect, uid: str) -> None:
    """Abort the machine's migration if one is in progress."""
    domain = observation.lookup(connect, uid)
    if domain is not None and domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
        domain.abortJob()
