"""Which NetBox a resource is from: two that feed one inventory have the same ids for different objects.

Pure. Every resource of a pull has the NetBox's address as a label, or the name that the mapping gives it.
"""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

from inventory_sync.mapping import Mapping as Rules
from inventory_sync.naming import label_value

_DIGEST = 8
_USUAL = (None, 80, 443)


def with_instance(rules: Rules, url: str) -> Rules:
    """Return the mapping with the name of the NetBox, which is its address where the mapping has none."""
    return rules if rules.instance else rules.model_copy(update={"instance": address(url)})


def address(url: str) -> str:
    """Return a URL as the value of a label: without the scheme, the usual ports and what identifies a user."""
    parts = urlsplit(url)
    port = "" if parts.port in _USUAL else f"-{parts.port}"
    plain = f"{parts.hostname or ''}{port}{parts.path.rstrip('/')}"
    value = label_value(plain.replace("/", "-"))
    if value == plain.replace("/", "-"):
        return value
    digest = hashlib.sha256(plain.encode()).hexdigest()[:_DIGEST]  # two long addresses stay apart
    return f"{value[: 62 - _DIGEST]}-{digest}".lstrip("-_.")
