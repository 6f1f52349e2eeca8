"""What a client trusts."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from controller.client.requests import verification


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "unix:/run/api.sock"])
def test_without_tls_no_authority_is_loaded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*args: object, **options: object) -> ssl.SSLContext:
        raise AssertionError("the system's authorities were loaded")

    monkeypatch.setattr(ssl, "create_default_context", load)
    context = verification(url, None)
    assert context.verify_mode is ssl.CERT_REQUIRED, "a redirect to https must not be trusted blindly"
    assert context.cert_store_stats() == {"x509": 0, "crl": 0, "x509_ca": 0}


def test_https_trusts_the_authorities_of_the_system() -> None:
    assert verification("https://api", None).check_hostname


def test_a_named_authority_that_does_not_exist_is_an_error_also_without_tls(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        verification("http://api", tmp_path / "ca.pem")
