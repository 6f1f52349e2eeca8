"""Virtual machines by libvirt and QEMU (design E1)."""

from controller.agent.drivers.libvirt.driver import LibvirtDriver
from controller.agent.drivers.libvirt.settings import LibvirtSettings

__all__ = ["LibvirtDriver", "LibvirtSettings"]
