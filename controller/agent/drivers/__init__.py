"""Drivers of virtual machines: one interface, libvirt for real machines, memory for tests and simulations."""
