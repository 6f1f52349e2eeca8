"""The mapping file: what of NetBox becomes what of ours.

Owns the file's form only. A bad file is one InvalidInput that names the path of every bad field;
nothing is read from NetBox before the file is good.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from controller.errors import InvalidInput, Problem
from controller.model import document, text
from controller.model.names import LabelKey, LabelValue, Name
from controller.model.physical_resource import Role


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return pattern


def _label(word: str) -> str:
    """``key`` or ``key=value``."""
    key, _, value = word.partition("=")
    for part, pattern in ((key, LabelKey), (value, LabelValue)):
        (constraint,) = pattern.__metadata__  # type: ignore[attr-defined]
        if not re.search(constraint.pattern, part):
            raise ValueError(f"{word!r} is no label (key or key=value)")
    return word


Pattern = Annotated[str, AfterValidator(_compiles)]
Label = Annotated[str, AfterValidator(_label)]
DeviceStatus = Literal["offline", "active", "planned", "staged", "failed", "inventory", "decommissioning"]
SKIP = "skip"


class Part(BaseModel):
    """Base: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Replacement(Part):
    """One rewriting of names, in the order of the list."""

    pattern: Pattern
    by: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        try:
            re.sub(self.pattern, self.by, "")
        except (re.error, IndexError) as error:
            raise ValueError(f"by {self.by!r} does not fit the pattern: {error}") from None
        return self


class Names(Part):
    """How names of NetBox become ours: lower-case letters, digits and ``-``."""

    replace: tuple[Replacement, ...] = ()
    overrides: dict[str, Name] = Field(default_factory=dict)
    """Whole names, as NetBox has them; before everything else."""


class Floors(Part):
    """Which location is a floor, and its numbers."""

    level: Literal["top", "leaf"] = "top"
    """``top``: the outermost location, rooms are folded into it; ``leaf``: the one that racks name."""
    default: Name | None = None
    """Floor of racks and devices without a location."""
    number_pattern: Pattern | None = None
    """Searched in the location's slug; its groups ``building``, ``storey`` and ``number`` are taken."""


class Racks(Part):
    """Custom fields with the rack's place."""

    row: str | None = None
    column: str | None = None


class ModelFacts(Part):
    """What NetBox does not know of a device type."""

    role: Role | None = None
    cpus: int | None = Field(default=None, ge=0)
    memory_mib: int | None = Field(default=None, ge=0)
    disk_gib: int | None = Field(default=None, ge=0)
    maintenance_years: int | None = Field(default=None, ge=0)


class Devices(Part):
    """Which devices, and where their facts are."""

    statuses: tuple[str, ...] = ()
    """Only these; empty: all."""
    in_service_since: str | None = None
    """Custom field with a date."""


class Labels(Part):
    """What becomes a label; the marker of the sync is always one."""

    tags: dict[str, Label] = Field(default_factory=dict)
    """Slug of a tag to ``key`` or ``key=value``."""
    custom_fields: dict[str, LabelKey] = Field(default_factory=dict)
    fields: dict[Literal["status", "tenant", "platform"], LabelKey] = Field(default_factory=dict)


class Ports(Part):
    """Interfaces of devices."""

    network: Literal["vlan", "role", "prefix", "none"] = "vlan"
    """What of the prefix around a port's address names its network."""
    skip_types: tuple[str, ...] = ("virtual", "bridge", "lag")


class Network(Part):
    """Prefixes that become networks of service addresses."""

    role: str | None = None
    tag: str | None = None
    prefix: str | None = None
    cluster: Name
    gateway: int = 1
    """Which address of the subnet, from its first (0); negative from its end."""
    first: int = 10
    last: int = -6


class DeviceStatuses(Part):
    """Status of a device in NetBox, by the state of the node that it is; null: left as it is."""

    up: DeviceStatus | None = "active"
    down: DeviceStatus | None = "offline"
    unknown: DeviceStatus | None = None


class Push(Part):
    """What is written to NetBox: all under one tag, but for the status of devices."""

    tag: Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=100)] = "resource-service"
    cluster_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=100)] = "resource-service"
    clusters: tuple[Name, ...] = ()
    """Only these; empty: all."""
    devices: DeviceStatuses | None = None
    """Without it no device is written."""


class Mapping(Part):
    """The file."""

    marker: Label = "source=netbox"
    """Label of everything that the sync has made; only that is ever removed."""
    sites: tuple[str, ...] = ()
    """Slugs; empty: all."""
    regions: Literal["region", "site-group", "none"] = "region"
    names: Names = Names()
    floors: Floors = Floors()
    racks: Racks = Racks()
    roles: dict[str, Role | Literal["skip"]]
    """Slug of a device role to ours, or ``skip``."""
    default_role: Role | Literal["skip"] | None = None
    """For roles that are not named; without it they are an error."""
    models: dict[str, ModelFacts] = Field(default_factory=dict)
    """By slug of the device type."""
    devices: Devices = Devices()
    labels: Labels = Labels()
    ports: Ports = Ports()
    panel_role: Role = Role.POWER_FEED
    networks: tuple[Network, ...] = ()
    push: Push = Push()

    @property
    def mark(self) -> tuple[str, str]:
        """Key and value of the marker."""
        key, _, value = self.marker.partition("=")
        return key, value


def load(path: Path) -> Mapping:
    """Read the file; raises InvalidInput with the path of each bad field."""
    try:
        content = path.read_text()
    except OSError as error:
        raise InvalidInput([Problem(str(path), error.strerror or str(error))]) from error
    except UnicodeDecodeError as error:
        raise InvalidInput([Problem(str(path), "is no UTF-8 text")]) from error
    return parse(content)


def parse(content: str) -> Mapping:
    """The mapping that a YAML text stands for."""
    values = text.load_yaml(content)
    if len(values) != 1 or not isinstance(values[0], dict):
        raise InvalidInput([Problem("mapping", "must be one YAML mapping")])
    try:
        mapping = Mapping.model_validate(values[0])
    except ValidationError as error:
        raise InvalidInput(document.problems(error, "mapping")) from None
    _check_statuses(mapping)
    return mapping


def _check_statuses(mapping: Mapping) -> None:
    """A push must not write a status that a pull leaves out: the device would be gone for it."""
    taken, written = mapping.devices.statuses, mapping.push.devices
    if not taken or written is None:
        return
    message = f"must be one of devices.statuses ({', '.join(taken)}): a pull would take the device for gone"
    bad = [
        Problem(f"mapping.push.devices.{state}", message)
        for state, status in written.model_dump().items()
        if status is not None and status not in taken
    ]
    if bad:
        raise InvalidInput(bad)
