"""The address of the API and the user's token: from options, else the environment, else the user's file.

::

    --server        RESOURCE_SERVER        server = "https://api.example.com:7440"
    --token-file    RESOURCE_TOKEN_FILE    token_file = "/root/.resource-token"
                    RESOURCE_TOKEN         token = "..."
    --ca            RESOURCE_CA            ca = "/etc/resource-service/ca.pem"
    --project       RESOURCE_PROJECT       project = "default"
    --region        RESOURCE_REGION        region = "kanto"      (and so on for each parent)

The file is ``~/.config/resource-service/config.toml`` (or below XDG_CONFIG_HOME), or the one in RESOURCE_CONFIG.
Unknown keys in it are an error: a typing mistake must not send a request to another server.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.cli.exit_codes import UsageProblem

CONNECTION_KEYS = ("server", "token", "token_file", "ca", "project", "output")


@dataclass(frozen=True)
class Config:
    """The values of options, environment and file together; empty strings count as not set."""

    values: Mapping[str, str]

    def get(self, key: str) -> str:
        return self.values.get(key, "")

    @property
    def server(self) -> str:
        """Base URL of the API. Raises UsageProblem when no source has one."""
        server = self.get("server")
        if not server:
            raise UsageProblem(
                f'no server: give --server URL, or set RESOURCE_SERVER, or write server = "URL" into {default_file()}'
            )
        return server.rstrip("/")

    @property
    def token(self) -> str:
        """The bearer token, read from its file when a file is given."""
        path = self.get("token_file")
        if not path:
            return self.get("token")
        try:
            return Path(path).expanduser().read_text().strip()
        except OSError as error:
            raise UsageProblem(f"--token-file {path}: {error.strerror}") from error


def default_file(environ: Mapping[str, str] | None = None) -> Path:
    """Return the path of the user's file."""
    environ = os.environ if environ is None else environ
    if environ.get("RESOURCE_CONFIG"):
        return Path(environ["RESOURCE_CONFIG"])
    base = environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "resource-service" / "config.toml"


def load(
    options: Mapping[str, str | None], parents: tuple[str, ...], environ: Mapping[str, str] | None = None
) -> Config:
    """Join the three sources. Of token and token_file, the one from the source with higher priority wins."""
    environ = os.environ if environ is None else environ
    known = (*CONNECTION_KEYS, *parents)
    sources: list[Mapping[str, Any]] = [
        options,
        {key: environ.get(f"RESOURCE_{key.upper()}") for key in known},
        _read(default_file(environ), known),
    ]
    values: dict[str, str] = {}
    for source in sources:
        token_is_set = "token" in values or "token_file" in values
        for key in known:
            value = source.get(key)
            if value and key not in values and not (token_is_set and key in ("token", "token_file")):
                values[key] = str(value)
    return Config(values)


def _read(path: Path, known: tuple[str, ...]) -> Mapping[str, Any]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror}") from error
    import tomllib  # most users have no file

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(f"{path}: {error}") from error
    for key in values:
        if key not in known:
            raise UsageProblem(f"{path}: unknown key {key!r}; known keys: {', '.join(known)}")
    return values
