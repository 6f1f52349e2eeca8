"""Reads the interfaces and routes in a lab's network namespaces, for tests that check them."""

from __future__ import annotations

import json
import subprocess


def links(namespace: str) -> set[str]:
    """Return the names of the interfaces in a namespace."""
    return {link["ifname"] for link in json.loads(_ip(namespace, "link"))}


def routes(namespace: str) -> list[dict[str, object]]:
    """Return the IPv4 routes of a namespace as iproute2 prints them in JSON."""
    found: list[dict[str, object]] = json.loads(_ip(namespace, "route"))
    return found


def _ip(namespace: str, what: str) -> str:
    return subprocess.check_output(["ip", "-n", namespace, "-j", what], text=True)
