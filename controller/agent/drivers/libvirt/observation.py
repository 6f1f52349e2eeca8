"""What libvirt says of domains, in the driver's words.

Each function blocks (it runs in the connection's worker threads). A domain that vanishes while it
is looked at is simply not there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import libvirt

from controller.agent.drivers.libvirt import definition
from controller.agent.drivers.libvirt.failures import is_absent
from controller.agent.drivers.types import Machine, MachineState, PauseReason

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

_MIGRATIONS = {libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN, libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT}
_SLEEPS = -1
"""In place of a reason: the guest put itself to sleep."""


@dataclass(frozen=True)
class Seen:
    """A domain with our mark, as far as libvirt tells at once: whether it migrates is asked apart."""

    machine: Machine
    mark: definition.Mark
    paused_because: int | None
    """libvirt's reason; None when it is not paused."""

    @property
    def active(self) -> bool:
        """Whether it has a QEMU."""
        return self.machine.state is not MachineState.STOPPED

    def with_job(self, operation: int | None) -> Machine:
        """The machine, with the operation of its job."""
        return replace(
            self.machine,
            migrating=operation in _MIGRATIONS,
            pause_reason=_pause_reason(self.paused_because, operation, self.machine.persistent),
        )

    def stuck(self) -> Machine:
        """The machine when its QEMU or its job gives no answer."""
        return replace(self.machine, state=MachineState.UNKNOWN, pause_reason=PauseReason.NONE)


def look_at_all(connect: libvirt.virConnect) -> list[Seen]:
    """Every domain with our mark."""
    return [seen for domain in connect.listAllDomains() if (seen := look(domain)) is not None]


def look(domain: libvirt.virDomain) -> Seen | None:
    """The domain; None when it is not ours, or gone."""
    try:
        found = definition.read(domain.XMLDesc())
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
        cells=found.mark.place.cells,
        cpus=found.mark.place.cpus,
    )
    paused_because = {libvirt.VIR_DOMAIN_PAUSED: reason, libvirt.VIR_DOMAIN_PMSUSPENDED: _SLEEPS}.get(state)
    return Seen(machine, found.mark, paused_because)


def lookup(connect: libvirt.virConnect, uid: str) -> libvirt.virDomain | None:
    """The machine's domain, if there is one."""
    try:
        return connect.lookupByUUIDString(definition.domain_uuid(uid))
    except libvirt.libvirtError as error:
        if is_absent(error):
            return None
        raise


def job(domain: libvirt.virDomain) -> int | None:
    """The operation of the domain's job under way; None when there is none.

    May block for as long as its QEMU does, where the rest of this module does not.
    """
    try:
        if domain.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE:
            return None
        return int(domain.jobStats().get("operation", libvirt.VIR_DOMAIN_JOB_OPERATION_UNKNOWN))
    except libvirt.libvirtError as error:
        if is_absent(error):
            return None
        # libvirt refuses to tell of the job for two reasons: it is one of receiving (UNSUPPORTED), or nothing
        # runs (INVALID). What it refuses of a domain with a process is taken for receiving: it is left alone.
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
        # libvirt says the same of both ends. A machine becomes persistent on the target only
        # in the last step, when it is complete; the source's copy is persistent all along.
        return PauseReason.MIGRATION if persistent else PauseReason.INCOMING
    return PauseReason.OTHER
