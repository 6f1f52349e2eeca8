"""Volume: an extra disk of one Compute of a service, on the Compute's node.

Design: D2, E10
"""

from __future__ import annotations

from typing import Literal

from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import Change, field
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class VolumeAttachment(Part):
    """The Compute of a volume."""

    service: Name = field(
        "RegionService of the Compute.", example="web", reference="RegionService", change=Change.REFUSED
    )
    index: int = field("Index of the Compute in its service.", example=0, ge=0, le=99_999, change=Change.REFUSED)


class VolumeSpec(Spec):
    """Size and Compute of a volume. It can grow, but not shrink."""

    size_gib: int = field("Size.", example=10, unit="GiB", ge=1, le=1 << 20, change=Change.RESTART)
    attachment: VolumeAttachment = field(
        "Compute of the volume.", example={"service": "web", "index": 0}, change=Change.REFUSED
    )


class Volume(Resource[VolumeSpec]):
    """An extra disk. Its data belongs to the volume, and outlives revisions of the Compute."""

    parents = ("region",)
    kind: Literal["Volume"] = "Volume"
    region: Name = field("Region of the volume.", example="kanto", reference="Region")
    spec: VolumeSpec = field("Desired state.", example={"size_gib": 10, "attachment": {"service": "web", "index": 0}})


VOLUME = register(
    Kind(
        Volume,
        segment="volumes",
        parent="Region",
        per_project=True,
        columns=(
            Column("SIZE_GIB", "spec.size_gib"),
            Column("SERVICE", "spec.attachment.service"),
            Column("INDEX", "spec.attachment.index"),
            Column("STATUS", "status"),
        ),
        service_field="spec.attachment.service",
        created_with={"status": "Initializing", "status_reason": ""},
        example={
            "kind": "Volume",
            "name": "web-data",
            "region": "kanto",
            "spec": {"size_gib": 10, "attachment": {"service": "web", "index": 0}},
        },
    )
)
