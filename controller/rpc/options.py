"""Defines the options of channels and servers: sizes, keepalive, reconnects. Both ends must agree on them."""

from __future__ import annotations

from typing import Any

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes. Streams send far smaller chunks; this is a last bound, not a size to plan with."""

KEEPALIVE_SECONDS = 20
KEEPALIVE_TIMEOUT_SECONDS = 10
"""A peer that disappears without closing its connection is detected after the sum of both."""

HANDSHAKE_SECONDS = 10

Options = list[tuple[str, Any]]


def channel_options(server_name: str) -> Options:
    """Return the options of a client channel; TLS checks that the server's certificate is for ``server_name``."""
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
    """Return the options of a server."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        ("grpc.max_send_message_length", MAX_MESSAGE),
        ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", KEEPALIVE_SECONDS * 500),
        ("grpc.http2.min_ping_interval_without_data_ms", KEEPALIVE_SECONDS * 500),
        ("grpc.keepalive_permit_without_calls", 1),
        # A connection that does not complete its handshake ends; gRPC's own limit is two minutes.
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_SECONDS * 1000),
        # Calls at the same time on one connection: an agent has two, a controller some dozens, and a
        # resource-api one for each console of the cluster.
        ("grpc.max_concurrent_streams", 1000),
        # Two processes on one port would share it silently: the second must fail instead.
        ("grpc.so_reuseport", 0),
    ]
