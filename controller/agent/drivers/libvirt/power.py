"""Starts, shuts down, resumes, marks and undefines one domain, for the domain control.

Each function blocks (it runs in the connection's worker threads), and does nothing if the domain
already is in the state asked for.
"""

from __future__ import annotations

import libvirt

from controller.agent.drivers.libvirt.mark import NAMESPACE, Mark


def start(domain: libvirt.virDomain, *, paused: bool) -> None:
    """Start the domain; ``paused``: its vcpus wait for ``resume``."""
    if not domain.isActive():
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)


def destroy(domain: libvirt.virDomain) -> None:
    """Cut the domain's power."""
    if domain.isActive():
        domain.destroy()


def request_shutdown(domain: libvirt.virDomain) -> None:
    """Press the domain's ACPI power button."""
    if domain.isActive():
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)


def resume(domain: libvirt.virDomain) -> None:
    """Resume the domain if it is paused."""
    if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()


def undefine(domain: libvirt.virDomain) -> None:
    """Delete its definition, with everything that libvirt keeps for it."""
    if domain.isPersistent():
        domain.undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        )


def write_mark(domain: libvirt.virDomain, mark: Mark, flags: int) -> None:
    """Write our metadata into the running domain, or into its stored definition."""
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, mark.element(), "resource", NAMESPACE, flags)
