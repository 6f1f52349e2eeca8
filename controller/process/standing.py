"""A lease as the API hands it out: what a candidate asks for and an API answers (``mastership``, ``api_client``).

It stands apart from both, since a process without a database asks the API too.

Design: H2
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """A lease as the API returned it."""

    holder: str
    term: int
    expires_in: float
