"""The node agent: receives the assignments of its node, applies them through drivers, and reports what the host has."""
