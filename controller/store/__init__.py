"""The database of one tier: resources, their changes, revisions, claims and leases.

Gives out model objects, never rows. One function of a module is one step inside a transaction
that the caller opens with ``Database.read`` or ``Database.write``.
"""
