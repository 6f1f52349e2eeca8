"""The root's REST API (A1): every user's request arrives here and becomes rows of the root database.

``create_app`` makes the ASGI application, ``ApiSettings`` says how it listens, ``ClusterCalls`` is
what it needs of the clusters. Nothing here acts on a machine: controllers do, on what is written.
"""
