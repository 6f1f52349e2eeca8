"""The settings of connections to an HTTP API (``http_connections``): how slow and how many its clients may be."""

from __future__ import annotations

from pydantic import Field

from controller.process.settings import SettingsPart


class ConnectionLimits(SettingsPart):
    """How slow a client may be, and how many connections there may be."""

    head_seconds: float = Field(10.0, gt=0, description="How long the head of a request may take, in seconds.")
    body_seconds: float = Field(
        20.0,
        gt=0,
        description="How long a body may take whatever its size, in seconds; more takes bytes.",
    )
    body_bytes_per_second: int = Field(4096, ge=1, description="How fast a body must arrive after that, on average.")
    send_seconds: float = Field(
        30.0, gt=0, description="A client that takes less than 16 KiB of its answer in so many seconds is disconnected."
    )
    keep_alive_seconds: int = Field(60, ge=1, description="How long a connection may wait for its next request.")
    total: int = Field(10_000, ge=1, description="Connections of all clients at the same time.")
    per_address: int = Field(
        4000, ge=1, description="Connections of one address (of IPv6: a /64) at the same time; 429 above it."
    )
