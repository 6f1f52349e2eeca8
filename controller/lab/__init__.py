"""A whole datacenter on one machine: networks, routers and hypervisors in namespaces, and the processes in them.

For development, tests and a first look. It starts the control plane by its command lines, as an
operator would, and knows it in no other way.
"""
