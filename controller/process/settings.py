"""Settings that every process has; roles add their own fields in a subclass.

Sources, strongest first: ``RESOURCE_...`` environment variables (``__`` goes into a
part: ``RESOURCE_TLS__FOLDER``), then the TOML file, or arguments in code. Unknown names in the file are refused; in
the environment they are left alone, since several processes may share one.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from controller.errors import InvalidInput, Problem
from controller.model.names import Name

MAX_SOCKET_PATH = 107
"""Bytes of the path of a Unix socket: 108 with the NUL that ends it (``unix(7)``)."""


def _check_address(address: str) -> str:
    path = address.removeprefix("unix:")
    length = len(os.fsencode(path))
    if path != address and length > MAX_SOCKET_PATH:
        raise ValueError(
            f"the path of a Unix socket has at most {MAX_SOCKET_PATH} bytes, this one has {length}: "
            "use a shorter folder, or host:port"
        )
    return address


Address = Annotated[str, AfterValidator(_check_address)]
"""``host:port`` or ``unix:/path``; a path that no socket can have is refused before anything starts."""


class SettingsPart(BaseModel):
    """Base of a part of settings: immutable, unknown names refused. The environment has numbers as texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSettings(SettingsPart):
    """The process's certificate."""

    folder: Path = Field(description="Folder of identity.pem and bundle.pem; see controller.pki.files.")
    authority: Path | None = Field(
        default=None,
        description="Folder of an authority that signs this process's certificates. Without it the certificate is "
        "renewed by whoever writes the folder; it is picked up without a restart.",
    )
    lifetime_seconds: float = Field(
        default=86400.0, gt=0, description="How long a certificate lives; it is renewed at about the half."
    )


class PeerSettings(SettingsPart):
    """Where the API of the tier answers gRPC."""

    target: Address = Field(description="host:port or unix:/path.", examples=["127.0.0.1:7441", "unix:/run/api.sock"])


class DatabaseSettings(SettingsPart):
    """The tier's database."""

    url: str = Field(
        description="SQLAlchemy URL of the database.",
        examples=["sqlite:////var/lib/resource-service/root.db", "postgresql+psycopg://resource@db/root"],
    )


class ElectionSettings(SettingsPart):
    """The election of the master. Design: H2"""

    lease_seconds: float = Field(
        default=15.0,
        gt=0,
        description="How long a mastership lasts without renewal. Must be well above the longest write transaction.",
    )


class ProcessSettings(BaseSettings):
    """Settings of any process."""

    model_config = SettingsConfigDict(
        env_prefix="RESOURCE_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    name: Name = Field(description="Name of the process, unique in its tier.", examples=["resource-controller-1"])
    cluster: Name | None = Field(default=None, description="Cluster that the process works for; none: the root.")
    listen: Address = Field(
        default="127.0.0.1:0", description="Where gRPC is answered: host:port (0: any free port) or unix:/path."
    )
    endpoint: Address = Field(
        default="", description="Where others reach that; empty: as listened on.", examples=["10.0.0.5:7441"]
    )
    health: Address = Field(
        default="127.0.0.1:0",
        description="Where /healthz, /readyz and /metrics are answered over HTTP: host:port or unix:/path.",
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="Least level that is logged."
    )
    heartbeat_seconds: float = Field(
        default=5.0, gt=0, description="Seconds between two updates of the own ServiceProcess (A9)."
    )
    drain_seconds: float = Field(
        default=10.0, ge=0, description="How long SIGTERM lets running calls and tasks finish before they are cut."
    )
    tls: TlsSettings = Field(description="Certificates.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by precedence: the environment, then the file, which ``load_settings`` passes in."""
        return env_settings, init_settings


SettingsT = TypeVar("SettingsT", bound=ProcessSettings)


def load_settings(kind: type[SettingsT], config: Path | None) -> SettingsT:
    """Read settings from a TOML file and the environment, which has precedence.

    Raises InvalidInput with the dotted path of every bad setting, as it would be named in the file.
    """
    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = tomllib.loads(config.read_text())
        except OSError as error:
            raise InvalidInput([Problem("", f"cannot read {config}: {error.strerror}")]) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidInput([Problem("", f"{config} is not TOML: {error}")]) from error
    try:
        return kind(**values)
    except ValidationError as error:
        problems = [Problem(".".join(map(str, one["loc"])), _explain(one)) for one in error.errors()]
        raise InvalidInput(problems) from error


def _explain(error: Any) -> str:
    path = "__".join(str(part) for part in error["loc"]).upper()
    hint = f" (set it in the file, or RESOURCE_{path})" if error["type"] == "missing" else ""
    return f"{error['msg'].removeprefix('Value error, ')}{hint}"
