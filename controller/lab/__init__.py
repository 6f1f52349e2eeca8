"""A whole datacenter on one machine: networks, routers and hypervisors in namespaces, and the processes in them.

For development, tests and a first try. It starts the control plane by its command lines, as an
operator does, and uses it in no other way.
"""
