"""Reads the state of domains from libvirt as the driver's values, for the domain observer.

Each function blocks (it runs in the connection's worker threads). A domain that disappears while it
is read counts as one that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import libvirt

from controller.agent.drivers.libvirt import definition
from controller.agent.drivers.libvirt.failures import is_absent
from controller.agent.drivers.libvirt.mark import Mark
from controller.agent.drivers.libvirt.names import domain_uuid
from controller.agent.drivers.types import Machine, MachineState, PauseReason

_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: MachineState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: MachineState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: MachineState.PAUSED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: MachineState.PAUSED,
    # Shutting down: its QEMU still exists.
    libvirt.VIR_DOMAIN_SHUTDOWN: MachineState.RUNNING,
    libvirt.VIR_DOMAIN_SHUTOFF: MachineState.STOPPED,
    libvirt.VIR_DOMAIN_CRASHED: MachineState.STOPPED,
}

_MIGRATIONS = {libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN, libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT}
_SUSPENDED = -1
"""Instead of a reason: the guest suspended itself."""


@dataclass(frozen=True)
class ObservedDomain:
    """A domain with our mark, without its job: that is read separately, because the read may block."""

    machine: Machine
    mark: Mark
    libvirt_reason: int | None
    """libvirt's reason for the pause; None when it is not paused."""

    @property
    def active(self) -> bool:
        """Return whether it has a QEMU process."""
        return self.machine.state is not MachineState.STOPPED

    def with_job(self, operation: int | None) -> Machine:
        """Return the machine, with the operation of its job."""
        return replace(
            self.machine,
            migrating=operation in _MIGRATIONS,
            pause_reason=_pause_reason(self.libvirt_reason, operation, self.machine.persistent),
        )

    def unknown(self) -> Machine:
        """Return the machine when its QEMU does not answer about its job."""
        return replace(self.machine, state=MachineState.UNKNOWN, pause_reason=PauseReason.NONE)


def observe_all(connect: libvirt.virConnect) -> list[ObservedDomain]:
    """Return every domain with our mark."""
    return [found for domain in connect.listAllDomains() if (found := observe(domain)) is not None]


def observe(domain: libvirt.virDomain) -> ObservedDomain | None:
    """Return the domain; None when it does not have our mark, or does not exist any more."""
    try:
        found = definition.parse(domain.XMLDesc())
        if found is None:
            return None
        state, reason = domain.state()
        persistent = bool(domain.isPersistent())
    except libvirt.libvirtError as error:
        if is_absent(error):
            return None
        raise
    machine = Machine(
        uid=found.mark.uid,
        name=found.mark.name,
        revision=found.mark.revision,
        state=_STATES.get(state, MachineState.UNKNOWN),
        persistent=persistent,
        reboots=found.mark.reboots,
        taps=found.taps,
        cells=found.mark.host_part.cells,
        cpus=found.mark.host_part.cpus,
    )
    libvirt_reason = {libvirt.VIR_DOMAIN_PAUSED: reason, libvirt.VIR_DOMAIN_PMSUSPENDED: _SUSPENDED}.get(state)
    return ObservedDomain(machine, found.mark, libvirt_reason)


def lookup(connect: libvirt.virConnect, uid: str) -> libvirt.virDomain | None:
    """Return the machine's domain, or None if it does not exist."""
    try:
        return connect.lookupByUUIDString(domain_uuid(uid))
    except libvirt.libvirtError as error:
        if is_absent(error):
            return None
        raise


def job_operation(domain: libvirt.virDomain) -> int | None:
    """Return the operation of the domain's job in progress; None if it has no job.

    May block for as long as its QEMU does; the other functions of this module do not.
    """
    try:
        if domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE:
            return None
        return int(domain.jobStats().get("operation", libvirt.VIR_DOMAIN_JOB_OPERATION_UNKNOWN))
    except libvirt.libvirtError as error:
        if is_absent(error):
            return None
        # libvirt does not describe a job that receives a machine (UNSUPPORTED), or of a domain that does not run
        # (INVALID). After a refusal, a domain with a process counts as receiving: then nothing is done to it.
        if error.get_error_code() in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_UNSUPPORTED):
            return int(libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN) if domain.isActive() else None
        raise


def _pause_reason(reason: int | None, operation: int | None, persistent: bool) -> PauseReason:
    if reason is None:
        return PauseReason.NONE
    if operation == libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN:
        return PauseReason.INCOMING
    if reason == libvirt.VIR_DOMAIN_PAUSED_USER:
        return PauseReason.USER
    if reason == libvirt.VIR_DOMAIN_PAUSED_MIGRATION:
        # libvirt reports the same on both hosts. A machine becomes persistent on the target only
        # in the last step, when it is complete; the source's copy is always persistent.
        return PauseReason.MIGRATION if persistent else PauseReason.INCOMING
    return PauseReason.OTHER
