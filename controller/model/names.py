"""Names, labels and sizes: the constrained strings and numbers that every kind uses.

A name is unique in its parent only; together with its parents (and the project, for kinds that
belong to one) it identifies a resource.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, min_length=1, max_length=63)]
"""A DNS label (RFC 1123): lower-case letters, digits and ``-``, 63 characters at most."""

QUALIFIED_NAME_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

QualifiedName = Annotated[str, StringConstraints(pattern=QUALIFIED_NAME_PATTERN, min_length=1, max_length=127)]
"""A name, or ``<cluster>.<name>`` for the root's copy of what is a cluster's own."""

LabelKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?$")]
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")]
Labels = dict[LabelKey, LabelValue]


def _written(value: Any) -> Any:
    """Numbers and truth values can be taken for addresses (1 for 0.0.0.1), and are meant for something else."""
    if isinstance(value, str | IPv4Address | IPv4Network):
        return value
    raise ValueError("must be a string")


Address = Annotated[IPv4Address, BeforeValidator(_written)]
"""An IPv4 address, written with dots."""

Subnet = Annotated[IPv4Network, BeforeValidator(_written)]
"""An IPv4 network, written ``address/length``."""

Mac = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
"""A MAC address in lower case with colons."""

Checksum = Annotated[str, StringConstraints(pattern=r"^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$")]
"""``sha256:<64 hex digits>`` or ``sha512:<128 hex digits>``."""
