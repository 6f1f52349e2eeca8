"""Translates libvirt's errors into the error tree for the libvirt driver: temporary, permanent, or not found."""

from __future__ import annotations

import libvirt

from controller.errors import Conflict, NotFound, PermanentError, ResourceError, TemporaryError, TimedOut, Unavailable

_AWAY = {
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_NO_SERVER,
    libvirt.VIR_ERR_AUTH_FAILED,
}
_NEVER = {
    libvirt.VIR_ERR_XML_ERROR,
    libvirt.VIR_ERR_XML_DETAIL,
    libvirt.VIR_ERR_XML_INVALID_SCHEMA,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_NO_SUPPORT,
}
_RPC_DOMAINS = {libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE}


def translate(error: libvirt.libvirtError, action: str) -> ResourceError:
    """Return the error for ``error`` from our tree; the caller raises it ``from`` the original."""
    code = error.get_error_code()
    message = f"{action}: {error.get_error_message() or error}"
    if code == libvirt.VIR_ERR_NO_DOMAIN:
        return NotFound(message)
    if code in _AWAY or error.get_error_domain() in _RPC_DOMAINS:
        return Unavailable(message)
    if code in (libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_AGENT_UNRESPONSIVE):
        return TimedOut(message)
    if code in (libvirt.VIR_ERR_DOM_EXIST, libvirt.VIR_ERR_RESOURCE_BUSY):
        return Conflict(message)
    if code in _NEVER:
        return PermanentError(message)
    return TemporaryError(message)


def is_away(error: libvirt.libvirtError) -> bool:
    """Return whether ``error`` means that the connection cannot be used any more."""
    return isinstance(translate(error, ""), Unavailable)


def is_absent(error: libvirt.libvirtError) -> bool:
    """Return whether ``error`` means that the domain does not exist."""
    return bool(error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN)
