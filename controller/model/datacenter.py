"""Datacenter, Floor and Rack (design G2): places of physical resources, data only."""

from __future__ import annotations

from typing import Literal

from controller.model.envelope import Resource, Spec
from controller.model.fields import Change, field
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class DatacenterSpec(Spec):
    """Free facts of a datacenter."""

    location: str = field("Where it is.", example="Tokyo", default="", max_length=256)
    description: str = field("What it is for.", example="Lab site", default="", max_length=1024)


class Datacenter(Resource[DatacenterSpec]):
    """A site: made of floors, which hold racks."""

    kind: Literal["Datacenter"] = "Datacenter"
    spec: DatacenterSpec = field("What was asked.", example={}, default_factory=DatacenterSpec)


DATACENTER = register(
    Kind(
        Datacenter,
        segment="datacenters",
        columns=(Column("LOCATION", "spec.location"),),
        aliases=("dc",),
        example={"kind": "Datacenter", "name": "tokyo", "spec": {"location": "Tokyo"}},
    )
)


class FloorSpec(Spec):
    """Where the floor is: floors are named building-storey-floor (M1)."""

    building: int = field("Number of the building.", example=1, default=1, ge=1, le=999)
    storey: int = field("Storey in the building.", example=1, default=1, ge=-20, le=200)
    number: int = field("Number of the floor on its storey.", example=1, default=1, ge=1, le=999)
    description: str = field("What the floor is for.", example="East wing", default="", max_length=1024)


class Floor(Resource[FloorSpec]):
    """A floor of a datacenter, ``floor-<building>-<storey>-<number>``."""

    parents = ("datacenter",)
    kind: Literal["Floor"] = "Floor"
    datacenter: Name = field("Datacenter of the floor.", example="tokyo", reference="Datacenter")
    spec: FloorSpec = field("What was asked.", example={}, default_factory=FloorSpec)


FLOOR = register(
    Kind(
        Floor,
        segment="floors",
        parent="Datacenter",
        columns=(Column("BUILDING", "spec.building"), Column("STOREY", "spec.storey")),
        example={
            "kind": "Floor",
            "name": "floor-1-1-1",
            "datacenter": "tokyo",
            "spec": {"building": 1, "storey": 1, "number": 1},
        },
    )
)


class RackSpec(Spec):
    """Where the rack stands and how much fits."""

    floor: Name = field("Floor that the rack stands on.", example="floor-1-1-1", reference="Floor")
    row: int = field("Row on the floor.", example=1, default=1, ge=1, le=9999)
    column: int = field("Place in the row.", example=1, default=1, ge=1, le=9999)
    height_units: int = field("Height.", example=42, default=42, unit="U", ge=1, le=100)
    pair: Name | None = field(
        "Rack whose leaf routers the servers are wired to as well (M1).",
        example="floor-1-1-1-rack-1-2",
        default=None,
        reference="Rack",
    )


class Rack(Resource[RackSpec]):
    """A rack: the failure domain of a PDU or a pair of leaf routers (J4)."""

    parents = ("datacenter",)
    kind: Literal["Rack"] = "Rack"
    datacenter: Name = field("Datacenter of the rack.", example="tokyo", reference="Datacenter")
    spec: RackSpec = field("What was asked.", example={"floor": "floor-1-1-1"}, change=Change.LIVE)


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
        example={
            "kind": "Rack",
            "name": "floor-1-1-1-rack-1-1",
            "datacenter": "tokyo",
            "spec": {"floor": "floor-1-1-1", "row": 1, "column": 1},
        },
    )
)
