"""Virtual machines with libvirt and QEMU.

Import the driver from its module: a node with the in-memory driver reads the settings, and may have no libvirt.

Design: E1
"""
