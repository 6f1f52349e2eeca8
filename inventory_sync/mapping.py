"""The mapping file: which objects of NetBox become which resources.

This module has the format of the file only. A bad file raises one InvalidInput with the path of every bad field.
Nothing is read from NetBox before the file is valid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as ByKey
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from controller.errors import InvalidInput, Problem
from controller.model import document, text
from controller.model.names import LabelKey, LabelValue, Name
from controller.model.physical_resource import Role


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"must be a regular expression: {error}") from None
    return pattern


_LABELS = TypeAdapter(dict[LabelKey, LabelValue])


def _label(word: str) -> str:
    """``key`` or ``key=value``."""
    key, _, value = word.partition("=")
    try:
        _LABELS.validate_python({key: value})
    except ValidationError:
        raise ValueError(f"{word!r} must be a label (key or key=value)") from None
    return word


Pattern = Annotated[str, AfterValidator(_compiles)]
Label = Annotated[str, AfterValidator(_label)]
ObjectType = Literal[
    "region",
    "site-group",
    "site",
    "location",
    "rack",
    "device-type",
    "device",
    "power-panel",
    "power-feed",
    "prefix",
]
DeviceStatus = Literal["offline", "active", "planned", "staged", "failed", "inventory", "decommissioning"]
SKIP = "skip"
ID_LABEL = "netbox-id"
"""Label with the type and the id of the object that a resource was made of."""
NAME_LABEL = "netbox-name"
"""Label with the object's own name, where the resource has another."""
INSTANCE_LABEL = "netbox-instance"
"""Label with the NetBox that a resource is from."""
TEMPLATE_FIELDS: dict[str, frozenset[str]] = {
    "region": frozenset({"parent"}),
    "site-group": frozenset({"parent"}),
    "site": frozenset({"region", "group"}),
    "location": frozenset({"site", "parent", "path"}),
    "rack": frozenset({"site", "location", "path", "tenant", "facility"}),
    "device-type": frozenset({"manufacturer"}),
    "device": frozenset({"site", "location", "path", "rack", "tenant", "role"}),
    "power-panel": frozenset({"site", "location", "path"}),
    "power-feed": frozenset({"site", "panel", "rack"}),
    "prefix": frozenset({"vrf", "vlan", "role"}),
}
"""Types of objects that become resources, and what a template of their names can use besides ``name`` and ``id``."""


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
    """How names of NetBox become names of the inventory: lower-case letters, digits and ``-``."""

    replace: tuple[Replacement, ...] = ()
    overrides: dict[str, Name] = Field(default_factory=dict)
    """Whole names, as NetBox has them, by name, by path (``room-a/R001``) or by identity (``netbox-id=rack-17``).

    Applied first.
    """
    templates: dict[ObjectType, str] = Field(default_factory=dict)
    """Names by type of object: ``{location}-{name}``."""

    @field_validator("templates")
    @classmethod
    def _fields_exist(cls, templates: dict[str, str]) -> dict[str, str]:
        for what, template in templates.items():
            known = TEMPLATE_FIELDS[what] | {"name", "id"}
            unknown = set(re.findall(r"\{(.*?)\}", template)) - known
            if unknown or not {"name", "id"} & set(re.findall(r"\{(.*?)\}", template)):
                words = ", ".join(f"{{{word}}}" for word in sorted(known))
                raise ValueError(f"the template of {what} must have {{name}} or {{id}}, and can have {words}")
        return templates


class Floors(Part):
    """Which location is a floor, and its numbers."""

    level: Literal["top", "leaf"] = "top"
    """``top``: the outermost location, which includes its rooms; ``leaf``: the location of the racks."""
    default: Name | None = None
    """Floor of racks and devices without a location."""
    number_pattern: Pattern | None = None
    """Searched in the location's slug; its groups ``building``, ``storey`` and ``number`` are taken."""


class Racks(Part):
    """Custom fields with the rack's place."""

    row: str | None = None
    column: str | None = None


class ModelFacts(Part):
    """Facts of a device type that NetBox does not have."""

    role: Role | None = None
    cpus: int | None = Field(default=None, ge=0)
    memory_mib: int | None = Field(default=None, ge=0)
    disk_gib: int | None = Field(default=None, ge=0)
    maintenance_years: int | None = Field(default=None, ge=0)


class Devices(Part):
    """Which devices are included, and which fields have their facts."""

    statuses: tuple[str, ...] = ()
    """Only these; empty: all."""
    in_service_since: str | None = None
    """Custom field with a date."""


class Labels(Part):
    """What becomes a label. The marker of the sync always does."""

    tags: dict[str, Label] = Field(default_factory=dict)
    """Slug of a tag to ``key`` or ``key=value``."""
    custom_fields: dict[str, LabelKey] = Field(default_factory=dict)
    fields: dict[Literal["status", "tenant", "platform"], LabelKey] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _leaves_identities(self) -> Self:
        tags = (label.partition("=")[0] for label in self.tags.values())
        if reserved := {ID_LABEL, NAME_LABEL, INSTANCE_LABEL} & {
            *tags,
            *self.custom_fields.values(),
            *self.fields.values(),
        }:
            raise ValueError(f"the sync itself writes the label {', '.join(sorted(reserved))}")
        return self


class Ports(Part):
    """Interfaces of devices."""

    network: Literal["vlan", "role", "prefix", "vrf", "none"] = "vlan"
    """Which part of the prefix around a port's address names its network. The name of its VRF stands before it."""
    skip_types: tuple[str, ...] = ("virtual", "bridge", "lag")


class Network(Part):
    """Prefixes that become networks of service addresses."""

    role: str | None = None
    tag: str | None = None
    prefix: str | None = None
    vrf: str | None = None
    """Name of a VRF; empty: only prefixes without a VRF."""
    cluster: Name
    gateway: int = 1
    """Which address of the subnet, from its first (0); negative from its end."""
    first: int = 10
    last: int = -6


class DeviceStatuses(Part):
    """Status of a device in NetBox, by the state of its node; null: not changed."""

    up: DeviceStatus | None = "active"
    down: DeviceStatus | None = "offline"
    unknown: DeviceStatus | None = None


class Push(Part):
    """What is written to NetBox: all under one tag, except the status of devices."""

    tag: Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=100)] = "resource-service"
    cluster_type: Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=100)] = "resource-service"
    clusters: tuple[Name, ...] = ()
    """Only these; empty: all."""
    devices: DeviceStatuses | None = None
    """Without it no device is written."""


class Mapping(Part):
    """The file."""

    marker: Label = "source=netbox"
    """Label of everything that the sync has created. Nothing else is ever deleted."""
    instance: LabelValue = ""
    """Name of the NetBox; empty: its address. A pull changes nothing that another NetBox has created."""
    sites: tuple[str, ...] = ()
    """Slugs; empty: all."""
    regions: Literal["region", "site-group", "none"] = "region"
    names: Names = Names()
    floors: Floors = Floors()
    racks: Racks = Racks()
    roles: dict[str, Role | Literal["skip"]]
    """Slug of a device role to ours, or ``skip``."""
    default_role: Role | Literal["skip"] | None = None
    """For roles that are not in ``roles``; without it they are an error."""
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

    def has_created(self, labels: ByKey[str, str]) -> bool:
        """Return whether a pull from this NetBox has created what has these labels, or one that did not name it."""
        key, value = self.mark
        here = not self.instance or labels.get(INSTANCE_LABEL, self.instance) == self.instance
        return here and labels.get(key) == value


def load(path: Path) -> Mapping:
    """Read the file; raises InvalidInput with the path of each bad field."""
    try:
        content = path.read_text()
    except OSError as error:
        raise InvalidInput([Problem(str(path), error.strerror or str(error))]) from error
    except UnicodeDecodeError as error:
        raise InvalidInput([Problem(str(path), "must be UTF-8 text")]) from error
    return parse(content)


def parse(content: str) -> Mapping:
    """Return the mapping of a YAML text."""
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
    """Refuse a push of a status that a pull excludes: the pull would delete the device."""
    taken, written = mapping.devices.statuses, mapping.push.devices
    if not taken or written is None:
        return
    message = f"must be one of devices.statuses ({', '.join(taken)}): a pull would treat the device as deleted"
    bad = [
        Problem(f"mapping.push.devices.{state}", message)
        for state, status in written.model_dump().items()
        if status is not None and status not in taken
    ]
    if bad:
        raise InvalidInput(bad)
