"""The cluster tier: the API for the root and the agents, and the controller that places and moves.

The packages and their order are in ARCHITECTURE.md, "Inside cluster".
"""
