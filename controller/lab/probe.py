"""Sends HTTP requests to the lab's virtual machines from the router's namespace."""

from __future__ import annotations

import json
import sys
from typing import Any

from controller.errors import TimedOut, Unavailable
from controller.lab.command import run
from controller.lab.lab import Lab

# A process of its own, because a thread that enters another network namespace cannot safely return.
# It runs without our packages.
_ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=float(sys.argv[3]))
connection.request("GET", sys.argv[4])
sys.stdout.write(connection.getresponse().read().decode())
"""


def ask(lab: Lab, address: str, *, port: int = 80, timeout: float = 3, path: str = "/") -> dict[str, Any] | None:
    """Return the JSON that a guest of the lab answers; None if it does not answer with JSON.

    ``path`` ``/tcp/ADDRESS/PORT``: the answer says as ``reaches`` whether the guest can connect to that.
    """
    try:
        output = run(
            *lab.in_router(sys.executable, "-I", "-S", "-c", _ASK, address, str(port), str(timeout), path),
            timeout=timeout + 5,
        )
        answer = json.loads(output)
    except (Unavailable, TimedOut, ValueError):
        return None
    return answer if isinstance(answer, dict) else None
