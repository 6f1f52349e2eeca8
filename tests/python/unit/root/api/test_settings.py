"""Plain HTTP stays on the machine; certificates go in pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from controller.root.api.settings import ApiSettings

PAIR = {"tls_certificate": Path("c.pem"), "tls_key": Path("k.pem")}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_certificate(host: str) -> None:
    assert "ssl_certfile" not in ApiSettings(host=host).uvicorn_arguments()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.10.121", "::", "api.example.com", ""])
def test_plain_http_elsewhere_is_refused_with_what_to_do(host: str) -> None:
    with pytest.raises(ValidationError, match="give tls_certificate and tls_key, or listen on"):
        ApiSettings(host=host)
    assert ApiSettings(host=host, **PAIR).uvicorn_arguments()["ssl_keyfile"] == "k.pem"


def test_a_unix_socket_needs_no_certificate() -> None:
    arguments = ApiSettings(host="0.0.0.0", unix_socket=Path("/run/api.sock")).uvicorn_arguments()
    assert arguments["uds"] == "/run/api.sock"
    assert "host" not in arguments


@pytest.mark.parametrize("half", [{"tls_certificate": Path("c.pem")}, {"tls_key": Path("k.pem")}])
def test_half_a_pair_is_refused(half: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        ApiSettings(**half)


@pytest.mark.parametrize(
    ("given", "url"),
    [({}, "http://127.0.0.1:7440"), ({"host": "::1"}, "http://[::1]:7440"), (PAIR, "https://127.0.0.1:7440")],
)
def test_url(given: dict[str, Any], url: str) -> None:
    assert ApiSettings(**given).url == url
