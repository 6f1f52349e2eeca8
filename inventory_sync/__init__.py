"""NetBox and the topology: ``pull`` makes our inventory from NetBox, ``push`` tells NetBox of our machines.

Joined to ``resourcectl`` by an entry point, so that it works without this package and without
pynetbox. Imports only ``controller.client``, ``controller.model`` and ``controller.errors``; the
import name is frozen.
"""
