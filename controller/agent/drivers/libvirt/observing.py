"""What libvirt says of domains, in the driver's words.

Each function blocks (it runs in the connection's worker threads). A domain that vanishes while it
is looked at is simply not there.
"""

from __future__ import annotations

import libvirt

from controller.agent.drivers.base import Machine, MachineState, PauseReason
from controller.agent.drivers.libvirt import definition
from controller.agent.drivers.libvirt.failures import is_absent

_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: MachineState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: MachineState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: MachineState.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: MachineState.PAUSED,
    # Shutting down: its QEMU is still there.
    libvirt.VIR_DOMAIN_SHUTDOWN: MachineState.RUNNING,
    libvirt.VIR_DOMAIN_SHUTOFF: MachineState.STOPPED,
    libvirt.VIR_DOMAIN_CRASHED: MachineState.STOPPED,
}


def machines(connect: libvirt.virConnect) -> list[Machine]:
    """Every domain with our mark."""
    return [found for domain in connect.listAllDomains() if (found := machine(domain)) is not None]


def machine(domain: libvirt.virDomain) -> Machine | None:
    """The domain as a machine; None when it is not ours, or gone."""
    return machine_and_mark(domain)[0]


def machine_and_mark(domain: libvirt.virDomain) -> tuple[Machine, definition.Mark] | tuple[None, None]:
    """The domain as a machine, with its whole mark."""
    try:
        found = definition.read(domain.XMLDesc())
        if found is None:
            return None, None
        state, reason = domain.state()
        operation = _job(domain)
        persistent = bool(domain.isPersistent())
    except libvirt.libvirtError as error:
        if is_absent(error):
            return None, None
        raise
    seen = Machine(
        uid=found.mark.uid,
        name=found.mark.name,
        revision=found.mark.revision,
        state=_STATES.get(state, MachineState.UNKNOWN),
        pause_reason=_pause_reason(state, reason, operation, persistent),
        migrating=operation
        in (libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN, libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT),
        persistent=persistent,
        reboots=found.mark.reboots,
        taps=found.taps,
    )
    return seen, found.mark


def lookup(connect: libvirt.virConnect, uid: str) -> libvirt.virDomain | None:
    """The machine's domain, if there is one."""
    try:
        return connect.lookupByUUIDString(definition.domain_uuid(uid))
    except libvirt.libvirtError as error:
        if is_absent(error):
            return None
        raise


def _job(domain: libvirt.virDomain) -> int | None:
    """The operation of the job under way; None when there is none."""
    try:
        if domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE:
            return None
        return int(domain.jobStats().get("operation", libvirt.VIR_DOMAIN_JOB_OPERATION_UNKNOWN))
    except libvirt.libvirtError as error:
        # Not running means no job; the state is read separately and says so.
        if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID:
            return None
        raise


def _pause_reason(state: int, reason: int, operation: int | None, persistent: bool) -> PauseReason:
    if state == libvirt.VIR_DOMAIN_PMSUSPENDED:
        return PauseReason.OTHER
    if state != libvirt.VIR_DOMAIN_PAUSED:
        return PauseReason.NONE
    if operation == libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN:
        return PauseReason.INCOMING
    if reason == libvirt.VIR_DOMAIN_PAUSED_USER:
        return PauseReason.USER
    if reason == libvirt.VIR_DOMAIN_PAUSED_MIGRATION:
        # libvirt says the same of both ends. A machine becomes persistent on the target only
        # in the last step, when it is complete; the source's copy is persistent all along.
        return PauseReason.MIGRATION if persistent else PauseReason.INCOMING
    return PauseReason.OTHER
