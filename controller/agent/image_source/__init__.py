"""Reads the bytes of an image from its URL, for the image cache, as far as the agent's settings permit it.

``source`` is the entry; ``files`` opens files of the node, ``servers`` asks servers, ``addresses`` decides which
addresses may be connected to, and ``settings`` is the part of the agent's settings about all that.
"""
