"""Datacenter, Floor and Rack: the locations of physical resources. No controller acts on them.

Design: G2
"""

from __future__ import annotations

from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import Change, field
from controller.model.kind_rules import TopologyLine
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class DatacenterSpec(Spec):
    """Description of a datacenter."""

    location: str = field("Location.", example="Tokyo", default="", max_length=256)
    description: str = field("Purpose.", lines=True, example="Lab site", default="", max_length=1024)


class Datacenter(Resource[DatacenterSpec]):
    """A site with floors and racks."""

    kind: Literal["Datacenter"] = "Datacenter"
    spec: DatacenterSpec = field("Desired state.", example={}, default_factory=DatacenterSpec)


DATACENTER = register(
    Kind(
        Datacenter,
        segment="datacenters",
        columns=(Column("LOCATION", "spec.location"),),
        aliases=("dc",),
        has_impact=True,
        topology=TopologyLine(position=30),
        example={"kind": "Datacenter", "name": "tokyo", "spec": {"location": "Tokyo"}},
    )
)


class FloorSpec(Spec):
    """Location of a floor. Floors are named building-storey-floor."""

    building: int = field("Number of the building.", example=1, default=1, ge=1, le=999)
    storey: int = field("Storey in the building.", example=1, default=1, ge=-20, le=200)
    number: int = field("Number of the floor on its storey.", example=1, default=1, ge=1, le=999)
    description: str = field("Purpose of the floor.", lines=True, example="East wing", default="", max_length=1024)


class Floor(Resource[FloorSpec]):
    """A floor of a datacenter, ``floor-<building>-<storey>-<number>``."""

    parents = ("datacenter",)
    kind: Literal["Floor"] = "Floor"
    datacenter: Name = field("Datacenter of the floor.", example="tokyo", reference="Datacenter")
    spec: FloorSpec = field("Desired state.", example={}, default_factory=FloorSpec)


FLOOR = register(
    Kind(
        Floor,
        segment="floors",
        parent="Datacenter",
        columns=(Column("BUILDING", "spec.building"), Column("STOREY", "spec.storey")),
        has_impact=True,
        topology=TopologyLine(position=40),
        example={
            "kind": "Floor",
            "name": "floor-1-1-1",
            "datacenter": "tokyo",
            "spec": {"building": 1, "storey": 1, "number": 1},
        },
    )
)


class RackSpec(Spec):
    """Location and size of a rack."""

    floor: Name = field("Floor of the rack.", example="floor-1-1-1", reference="Floor")
    row: int = field("Row on the floor.", example=1, default=1, ge=1, le=9999)
    column: int = field("Position in the row.", example=1, default=1, ge=1, le=9999)
    height_units: int = field(
        "Height. A rack cannot become lower than the devices in it need.",
        example=42,
        default=42,
        unit="U",
        ge=1,
        le=100,
    )
    pair: Name | None = field(
        "Rack whose leaf routers are also connected to the servers of this rack, not the rack itself. Of two racks "
        "that are paired with each other, the one that stays loses its pair when the other one is deleted.",
        example="floor-1-1-1-rack-1-2",
        default=None,
        reference="Rack",
    )


class Rack(Resource[RackSpec]):
    """A rack: the failure domain of a PDU or a pair of leaf routers."""

    parents = ("datacenter",)
    kind: Literal["Rack"] = "Rack"
    datacenter: Name = field("Datacenter of the rack.", example="tokyo", reference="Datacenter")
    spec: RackSpec = field("Desired state.", example={"floor": "floor-1-1-1"}, change=Change.LIVE)


RACK = register(
    Kind(
        Rack,
        segment="racks",
        parent="Datacenter",
        columns=(
            Column("FLOOR", "spec.floor"),
            Column("ROW", "spec.row"),
            Column("COLUMN", "spec.column"),
            Column("PAIR", "spec.pair", wide=True),
        ),
        has_impact=True,
        topology=TopologyLine(position=50),
        example={
            "kind": "Rack",
            "name": "floor-1-1-1-rack-1-1",
            "datacenter": "tokyo",
            "spec": {"floor": "floor-1-1-1", "row": 1, "column": 1},
        },
    )
)
