"""URLs of images: what the API takes of them for all nodes, and how they are shown in messages.

The API refuses what no node should ever get: credentials, hosts that are written as numbers, and files of another
host. Which folders, networks and addresses a node reads from is known to its agent's settings only
(``controller.agent.image_source``).

A stored document is always readable: the rules hold for what users write. So what an older version stored may still
have credentials, and ``shown_url`` leaves out of every message what may contain them.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Annotated
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import AfterValidator, StringConstraints, ValidationInfo

from controller.model.moments import STORED

_SECRET = re.compile(
    r"(token|secret|passw|passphrase|credential|signature|authorization|api_?key|access_?key|private_?key)"
    r"|^(key|sig|auth|jwt|pwd|pass|hmac)$"
)
"""Names of parameters whose values are credentials, with ``_`` in place of ``-`` and ``.``."""
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")
_REFERENCE = "give them to the nodes, in images.credentials of the agent's settings"
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


def has_credentials(parts: SplitResult) -> bool:
    """Return whether the URL has a user, a password, or a parameter whose name says that it is secret."""
    if "@" in parts.netloc:
        return True
    pairs = (
        pair
        for text in (parts.query, parts.fragment)
        for pair in parse_qsl(text.replace(";", "&"), keep_blank_values=True)
    )
    return any(_SECRET.search(re.sub(r"[-.]", "_", name.strip().lower())) for name, _ in pairs)


def shown_url(url: str) -> str:
    """Return the URL for messages and logs: without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "the URL"
    return f"{parts.scheme}://{host}{parts.path}"


def _check(url: str, info: ValidationInfo) -> str:
    """Return the URL; raises ValueError, whose message never quotes a part that may be secret."""
    if info.context is STORED:
        return url
    if _UNSAFE.search(url):
        raise ValueError("must not contain control characters or backslashes")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("must be a URL with a valid host and port") from None
    if has_credentials(parts):
        raise ValueError(f"must not contain credentials: every user who reads the Image could use them; {_REFERENCE}")
    if parts.scheme == "file":
        if host not in (None, "localhost"):
            raise ValueError("must name a file of the node as file:///path, without a host")
        if "\0" in unquote(parts.path):
            raise ValueError("must not contain a null character")
    else:
        _check_host(host)
    return url


def _check_host(host: str | None) -> None:
    """Raise ValueError unless it is a name, four decimal numbers with dots, or an IPv6 address in brackets."""
    if not host:
        raise ValueError("must have a host")
    try:
        if ":" in host:
            IPv6Address(host)
            return
        if _NUMBER.match(unquote(host).rstrip(".").rpartition(".")[2].lower()):
            IPv4Address(host)
    except AddressValueError:
        raise ValueError("must have its IP address written as 192.0.2.1 or [2001:db8::1]") from None
    if "%" in host:
        raise ValueError("must have its host name written without %")


Url = Annotated[str, StringConstraints(pattern=r"^(https?|file)://\S+$", max_length=2048), AfterValidator(_check)]
"""``http``, ``https`` or ``file`` (a path on the node), without credentials."""
