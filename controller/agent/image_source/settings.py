"""Settings of where the images of a node may come from, a part of the agent's settings.

Whoever may write an Image chooses what every node reads, so a node reads only what its own settings permit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, IPvAnyNetwork, model_validator

from controller.process.settings import SettingsPart


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


class ImageCredentials(SettingsPart):
    """What the agent shows one server: a user with a password, or a bearer token."""

    host: str = Field(
        pattern=r"^[^\s/@]+$",
        description="Host of the HTTPS server, with its port unless that is 443.",
        examples=["images.example.com"],
    )
    username: str = Field(default="", description="User; empty: the file has a bearer token.", examples=["nodes"])
    file: Path = Field(
        description="File with the password or the token, read at each fetch; only root should be able to read it.",
        examples=["/etc/resource-service/images.password"],
    )


class ImageSettings(SettingsPart):
    """Where images may come from."""

    folders: tuple[Annotated[Path, AfterValidator(_absolute)], ...] = Field(
        default=(),
        description="Folders below which file: URLs may name regular files; none: file: URLs are refused. "
        "Only root should be able to write there.",
        examples=[["/srv/images"]],
    )
    allow: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Networks of image servers that are permitted although they would be refused by default: "
        "loopback, link-local and metadata addresses, network.infrastructure, and the networks of the node's own "
        "interfaces.",
        examples=[["10.0.0.20/32"]],
    )
    deny: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Networks that images are never fetched from. Where allow and deny both name an address, the "
        "longer prefix decides; of equal ones, deny.",
        examples=[["0.0.0.0/0", "::/0"]],
    )
    credentials: tuple[ImageCredentials, ...] = Field(
        default=(), description="What is shown to image servers that ask for it, since URLs have no credentials."
    )

    @model_validator(mode="after")
    def _hosts_differ(self) -> ImageSettings:
        hosts = [one.host.lower() for one in self.credentials]
        if len(set(hosts)) != len(hosts):
            raise ValueError("credentials: hosts must differ")
        return self
