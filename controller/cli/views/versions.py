"""Versions of the client, the API and the processes, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping

from controller.cli.output import View
from controller.client.requests import API_VERSION


def client_alone(own: str) -> View:
    """Return the version of this program."""
    return View(documents=[{"client": own}], single=True, lines=[f"resourcectl {own}"])


def view(own: str, api: str, running: Mapping[tuple[str, str], int]) -> View:
    """Return all versions, each with the number of processes that have it; ``running`` counts kind and version."""
    rows = [("resourcectl", own, "-")]
    rows += [(kind, version, str(count)) for (kind, version), count in sorted(running.items())]
    lines = [f"API version {api}"]
    if api != API_VERSION:
        lines.append(f"warning: this resourcectl is for version {API_VERSION} of the API; use one that fits the server")
    others = sorted({version for _kind, version in running if version not in (own, "-")})
    if others:
        lines.append(f"warning: this resourcectl is {own}, others are {', '.join(others)}")
    document = {
        "client": own,
        "client_api_version": API_VERSION,
        "api_version": api,
        "processes": [{"kind": kind, "version": version, "count": count} for (kind, version), count in running.items()],
    }
    return View(("PROGRAM", "VERSION", "RUNNING"), rows, [document], single=True, lines=lines)
