"""The common parts of every process of the control plane.

The roles compose a ``Process``: settings, JSON logs, a health page, a gRPC server with Status, heartbeats,
mastership, and a drain on SIGTERM. ``Supervisor`` runs several processes.

A role's module has ``Settings`` (a subclass of ``ProcessSettings``) and ``async def main(settings)``,
which makes a ``Process``, composes it and awaits its ``run``; ``resourcectl run ROLE`` reads the
settings with ``load_settings``.

Import what is needed from its module: an agent has no database, and must not load one.

Design: A9, F4, H2
"""
