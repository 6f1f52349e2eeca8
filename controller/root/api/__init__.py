"""The root's REST API: every request of a user arrives here and becomes rows of the root database.

Start at ``routes``: the table of all operations with their handlers. How a write goes on from its handler is described
in ``write_transaction``. ``create_app`` makes the ASGI application, ``ApiSettings`` says how it listens, and
``ClusterCalls`` is what it needs of the clusters. Nothing here acts on a machine: controllers do, on what is written.

Design: A1.
"""
