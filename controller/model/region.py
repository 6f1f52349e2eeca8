"""Region and its availability zones: the location that users choose. Every cluster belongs to a region.

Design: D7, G4
"""

from __future__ import annotations

from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import field
from controller.model.kind_rules import TopologyLine
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class RegionSpec(Spec):
    """Description of a region."""

    description: str = field("Purpose of the region.", lines=True, example="East Japan", default="", max_length=1024)


class Region(Resource[RegionSpec]):
    """The location that users choose, and the unit that is closed."""

    kind: Literal["Region"] = "Region"
    spec: RegionSpec = field("Desired state.", example={}, default_factory=RegionSpec)


REGION = register(
    Kind(
        Region,
        segment="regions",
        columns=(Column("DESCRIPTION", "spec.description"),),
        topology=TopologyLine(position=10),
        example={"kind": "Region", "name": "kanto", "spec": {"description": "East Japan"}},
    )
)


class RegionAvailabilityZoneSpec(Spec):
    """Description of a zone."""

    description: str = field("Meaning of the zone.", lines=True, example="Building 1", default="", max_length=1024)


class RegionAvailabilityZone(Resource[RegionAvailabilityZoneSpec]):
    """A named part of a region that nodes can belong to."""

    parents = ("region",)
    kind: Literal["RegionAvailabilityZone"] = "RegionAvailabilityZone"
    region: Name = field("Region of the zone.", example="kanto", reference="Region")
    spec: RegionAvailabilityZoneSpec = field("Desired state.", example={}, default_factory=RegionAvailabilityZoneSpec)


REGION_AVAILABILITY_ZONE = register(
    Kind(
        RegionAvailabilityZone,
        segment="availability-zones",
        parent="Region",
        columns=(Column("DESCRIPTION", "spec.description"),),
        aliases=("raz",),
        topology=TopologyLine(position=20),
        example={
            "kind": "RegionAvailabilityZone",
            "name": "kanto-a",
            "region": "kanto",
            "spec": {"description": "Building 1"},
        },
    )
)
