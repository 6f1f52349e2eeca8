"""The cluster tier: the API that the root and the agents talk to, and the controller that places and moves.

Pure rules (``computes``, ``migration``, ``loadbalancers``, ``forget``) edit a ``plan``, which
``world`` reads and writes in one transaction; ``controller`` runs them. ``sync``, ``observe`` and
``offers`` are the root's side of the API, ``roster``, ``sessions``, ``greetings`` and ``reports`` the
agents'.
"""
