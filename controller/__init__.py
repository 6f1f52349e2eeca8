"""The control plane of the Resource Service. The package also holds the agent, the REST client and the command line.

A package imports only from the layers below its own (ARCHITECTURE.md; import-linter checks it)::

    6  cli
    5  lab
    4  root  cluster  agent
    3  process
    2  store  schedule  rpc  client  hostnet
    1  model  pki  loop
    0  errors  clock  rendering  wire

The name ``controller`` is frozen: stored Pulumi state and systemd units contain it.
"""
