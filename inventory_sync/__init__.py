"""NetBox and the inventory: ``pull`` updates the inventory from it, ``push`` writes clusters and machines to it.

An entry point adds it to ``resourcectl``, which works without this package and without pynetbox. Imports only
``controller.client``, ``controller.model`` and ``controller.errors``. The import name is frozen.
"""
