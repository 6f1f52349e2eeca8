"""Names, labels and sizes: the constrained strings and numbers that every kind uses.

A name is unique in its parent only; together with its parents (and the project, for kinds that
belong to one) it identifies a resource.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints, ValidationInfo

from controller.model.moments import STORED

MAX_NAME = 63
"""Characters of a name."""
NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, min_length=1, max_length=MAX_NAME)]
"""A DNS label (RFC 1123): lower-case letters, digits and ``-``, 63 characters at most."""

QUALIFIED_NAME_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

QualifiedName = Annotated[str, StringConstraints(pattern=QUALIFIED_NAME_PATTERN, min_length=1, max_length=127)]
"""A name, or ``<cluster>.<name>`` for the root's copy of a resource that belongs to a cluster."""

MAX_LABEL_PREFIX, MAX_LABEL_NAME = 253, 63
LABEL_KEY_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9_./-]{0,315}[A-Za-z0-9])?$"
_LABEL_PREFIX = re.compile(rf"{NAME_PATTERN[1:-1]}(\.{NAME_PATTERN[1:-1]})*\Z")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\Z")


def check_label_key(key: str) -> str:
    """Return the key of a label; raises ValueError: the rules are those of Kubernetes."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > MAX_LABEL_PREFIX or not _LABEL_PREFIX.match(prefix)):
        raise ValueError(
            f"the part before / must be a DNS name of lower-case letters, digits, - and ., "
            f"at most {MAX_LABEL_PREFIX} characters"
        )
    if not _LABEL_NAME.match(name):
        raise ValueError(
            f"the name of a label must have 1 to {MAX_LABEL_NAME} letters, digits, -, _ and ., "
            f"with a letter or digit at both ends"
        )
    return key


def _check_label_key(key: str, info: ValidationInfo) -> str:
    return key if info.context is STORED else check_label_key(key)


def _without_null(labels: Any) -> Any:
    """A label that is null is none: templates write it for what they leave out."""
    if not isinstance(labels, dict) or None not in labels.values():
        return labels
    return {key: value for key, value in labels.items() if value is not None}


LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY_PATTERN), AfterValidator(_check_label_key)]
"""The key of a label: a name of 63 characters at most, after an optional DNS name of 253 at most and ``/``."""
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")]
Labels = Annotated[dict[LabelKey, LabelValue], BeforeValidator(_without_null)]


def _written(value: Any) -> Any:
    """Accept text only: pydantic would read numbers and booleans as addresses (1 as 0.0.0.1)."""
    if isinstance(value, str | IPv4Address | IPv4Network):
        return value
    raise ValueError("must be a string")


def _whole_as_int(value: int | float) -> int | float:
    """Return 10 for 10.0, so that whole units stay integers in every answer."""
    return int(value) if value == int(value) else value


RackPosition = Annotated[
    float, Field(ge=1, le=100.5, multiple_of=0.5), AfterValidator(_whole_as_int), PlainSerializer(_whole_as_int)
]
"""A unit of a rack, counted from 1 at the bottom; 10.5 is the upper half of unit 10."""

HeightUnits = Annotated[
    float, Field(ge=0, le=100, multiple_of=0.5), AfterValidator(_whole_as_int), PlainSerializer(_whole_as_int)
]
"""The height of a device in units, in steps of a half; 0 takes no place in a rack."""

Address = Annotated[IPv4Address, BeforeValidator(_written)]
"""An IPv4 address, written with dots."""

Subnet = Annotated[IPv4Network, BeforeValidator(_written)]
"""An IPv4 network, written ``address/length``."""

Mac = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
"""A MAC address in lower case with colons."""

Checksum = Annotated[str, StringConstraints(pattern=r"^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$")]
"""``sha256:<64 hex digits>`` or ``sha512:<128 hex digits>``."""
