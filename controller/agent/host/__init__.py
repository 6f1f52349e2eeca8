"""Reads the node's host for drivers: its capacity, and whether it can run guests with KVM."""
