"""Channel and server options: sizes, keepalive, reconnects. One place, since both ends must agree."""

from __future__ import annotations

from typing import Any

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes. Streams are cut into chunks far below this; it is a fence, not a size to plan with."""

KEEPALIVE_SECONDS = 20
KEEPALIVE_TIMEOUT_SECONDS = 10
"""A peer that vanished without a word is noticed after the sum of both."""

DEADLINE = 10.0
"""Seconds that a plain call may take unless its caller knows better."""

Options = list[tuple[str, Any]]


def channel_options(server_name: str) -> Options:
    """Options of a client channel; TLS checks that the server's certificate is for ``server_name``."""
    return [
        ("grpc.ssl_target_name_override", server_name),
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
        ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 1000),
        ("grpc.max_reconnect_backoff_ms", 5000),
        # Channels to one target with other certificates must not share connections.
        ("grpc.use_local_subchannel_pool", 1),
        # Control traffic never goes through a web proxy of the environment.
        ("grpc.enable_http_proxy", 0),
    ]


def server_options() -> Options:
    """Options of a server."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
        ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", KEEPALIVE_SECONDS * 500),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_SECONDS * 500),
        ("grpc.keepalive_permit_without_calls", 1),
        # Two processes on one port would share it silently: the second must fail instead.
        ("grpc.so_reuseport", 0),
    ]
