"""What is done to one domain as a whole: start, shut down, cut the power, resume, mark, undefine.

Each function blocks (it runs in the connection's worker threads), and does nothing where there is
nothing to do.
"""

from __future__ import annotations

import libvirt

from controller.agent.drivers.libvirt import definition


def start(domain: libvirt.virDomain, *, paused: bool) -> None:
    """Start it; ``paused``: its vcpus wait for ``resume``."""
    if not domain.isActive():
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)


def destroy(domain: libvirt.virDomain) -> None:
    """Cut the power."""
    if domain.isActive():
        domain.destroy()


def ask_for_shutdown(domain: libvirt.virDomain) -> None:
    """Press the power button."""
    if domain.isActive():
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)


def resume(domain: libvirt.virDomain) -> None:
    """Set it going."""
    if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()


def undefine(domain: libvirt.virDomain) -> None:
    """Take its definition away, with all that libvirt keeps for it."""
    if domain.isPersistent():
        domain.undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        )


def mark(domain: libvirt.virDomain, what: definition.Mark, flags: int) -> None:
    """Write our metadata, in the running domain or its stored definition."""
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, what.element(), "resource", definition.NAMESPACE, flags)
