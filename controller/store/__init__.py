"""The database of one tier: resources, their changes, revisions, claims and leases.

Its functions return model objects, never rows. Each function is one step in a transaction that the caller opens
with ``Database.read`` or ``Database.write``.
"""
