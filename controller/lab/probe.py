"""Asks the lab's virtual machines over HTTP, from where the lab's router is."""

from __future__ import annotations

import json
import sys
from typing import Any

from controller.errors import TimedOut, Unavailable
from controller.lab.command import run
from controller.lab.lab import Lab

# A process of its own, for a thread of ours cannot enter another network namespace and come back
# without a trace. Runs without our packages.
_ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=float(sys.argv[3]))
connection.request("GET", "/")
sys.stdout.write(connection.getresponse().read().decode())
"""


def ask(lab: Lab, address: str, *, port: int = 80, timeout: float = 3) -> dict[str, Any] | None:
    """Return the JSON that a guest of ours answers with; None when it does not answer, or not so."""
    try:
        said = run(
            *lab.in_router(sys.executable, "-I", "-S", "-c", _ASK, address, str(port), str(timeout)),
            timeout=timeout + 5,
        )
        answer = json.loads(said)
    except (Unavailable, TimedOut, ValueError):
        return None
    return answer if isinstance(answer, dict) else None
