"""The control plane of the Resource Service and its agents.

The package is a house of floors; a room imports only from floors below its own
(``ARCHITECTURE.md``, proved by import-linter)::

    6  cli
    5  lab
    4  root  cluster  agent
    3  process
    2  store  schedule  rpc  client  hostnet
    1  model  pki  loop
    0  errors  clock  rendering  wire

The name ``controller`` is frozen: stored Pulumi state and systemd units name it.
"""
