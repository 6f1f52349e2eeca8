"""Settings of the REST API, and the rule that plain HTTP never leaves the machine.

Owns the limits of requests and the address of the listener. Tokens are as sensitive as passwords, so without a
certificate the API listens only on loopback or on a unix socket; otherwise the process does not start.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from controller.process.connection_limits import ConnectionLimits
from controller.root.api.client_limits import RequestLimits

_CONSOLE_MESSAGE, _CONSOLE_MESSAGES = 256 << 10, 4
"""Bytes of one message that is typed into a console, and messages of a client that wait for the machine."""


class ApiSettings(BaseModel):
    """How the API listens and what it accepts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(7440, ge=0, le=65535, description="Port; 0: any free one.")
    unix_socket: Path | None = Field(None, description="Unix socket instead of host and port.")
    tls_certificate: Path | None = Field(None, description="PEM file of the certificate chain.")
    tls_key: Path | None = Field(None, description="PEM file of the certificate's key.")
    apply_limit: int = Field(32 << 20, ge=1, description="Longest body of apply and delete, in bytes.")
    body_limit: int = Field(1 << 20, ge=1, description="Longest body of any other request, in bytes.")
    documents_limit: int = Field(50_000, ge=1, description="Documents of one apply or delete at most.")
    page_default: int = Field(500, ge=1, le=1000, description="Items of a page when the request has no limit.")
    watch_batch: int = Field(
        200, ge=1, le=10_000, description="Earlier changes that a watch reads from the log at once."
    )
    watch_recheck: float = Field(10.0, gt=0, description="How often a watch checks its token again, in seconds.")
    forecast_timeout: float = Field(2.0, gt=0, description="How long a plan waits for a cluster, in seconds.")
    connections: ConnectionLimits = Field(ConnectionLimits(), description="How slow a client may be.")
    limits: RequestLimits = Field(RequestLimits(), description="How many requests a client may send.")
    proxies: tuple[str, ...] = Field(
        (), description="Addresses of proxies whose X-Forwarded-For has the client's address; none: nobody's does."
    )

    @model_validator(mode="after")
    def _plain_http_stays_on_the_machine(self) -> ApiSettings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: give both or none")
        if self.tls_certificate is None and self.unix_socket is None and not _is_loopback(self.host):
            raise ValueError(
                f"plain HTTP on {self.host} would show tokens to the network: "
                "give tls_certificate and tls_key, or listen on 127.0.0.1, ::1 or a unix socket"
            )
        return self

    def uvicorn_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``uvicorn.Config`` for this listener; the caller configures logging."""
        arguments: dict[str, Any] = {
            "access_log": False,
            "server_header": False,
            "date_header": True,
            "ws_max_size": _CONSOLE_MESSAGE,
            "ws_max_queue": _CONSOLE_MESSAGES,
            "timeout_keep_alive": self.connections.keep_alive_seconds,
            "proxy_headers": bool(self.proxies),
            "forwarded_allow_ips": list(self.proxies),
        }
        if self.unix_socket is not None:
            arguments["uds"] = str(self.unix_socket)
        else:
            arguments.update(host=self.host, port=self.port)
        if self.tls_certificate is not None and self.tls_key is not None:
            arguments.update(ssl_certfile=str(self.tls_certificate), ssl_keyfile=str(self.tls_key))
        return arguments

    @property
    def url(self) -> str:
        """The URL at which clients of this machine reach the API."""
        scheme = "http" if self.tls_certificate is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
