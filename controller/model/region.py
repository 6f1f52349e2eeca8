"""Region and its availability zones (design D7, G4): what users choose; clusters belong to one."""

from __future__ import annotations

from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import field
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class RegionSpec(Spec):
    """Free facts of a region."""

    description: str = field("What the region is for.", example="East Japan", default="", max_length=1024)


class Region(Resource[RegionSpec]):
    """The unit that users are aware of, and the unit of closing (M4)."""

    kind: Literal["Region"] = "Region"
    spec: RegionSpec = field("What was asked.", example={}, default_factory=RegionSpec)


REGION = register(
    Kind(
        Region,
        segment="regions",
        columns=(Column("DESCRIPTION", "spec.description"),),
        example={"kind": "Region", "name": "kanto", "spec": {"description": "East Japan"}},
    )
)


class RegionAvailabilityZoneSpec(Spec):
    """Free facts of a zone."""

    description: str = field("What the zone stands for.", example="Building 1", default="", max_length=1024)


class RegionAvailabilityZone(Resource[RegionAvailabilityZoneSpec]):
    """A named part of a region that nodes can be in (D4, D7)."""

    parents = ("region",)
    kind: Literal["RegionAvailabilityZone"] = "RegionAvailabilityZone"
    region: Name = field("Region of the zone.", example="kanto", reference="Region")
    spec: RegionAvailabilityZoneSpec = field("What was asked.", example={}, default_factory=RegionAvailabilityZoneSpec)


REGION_AVAILABILITY_ZONE = register(
    Kind(
        RegionAvailabilityZone,
        segment="availability-zones",
        parent="Region",
        columns=(Column("DESCRIPTION", "spec.description"),),
        aliases=("raz",),
        example={
            "kind": "RegionAvailabilityZone",
            "name": "kanto-a",
            "region": "kanto",
            "spec": {"description": "Building 1"},
        },
    )
)
