"""Drivers of virtual machines: one interface, libvirt for real machines, and one in memory for tests and simulations."""
