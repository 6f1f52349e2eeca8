"""GlobalService: GSLB over RegionServices of several datacenters.

Design: J2, J6
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import field
from controller.model.names import Name
from controller.model.registry import Column, Kind, register


class AllDown(StrEnum):
    """What the record answers when no member is healthy."""

    RETURN_ALL = "ReturnAll"
    REFUSE = "Refuse"


class GlobalServiceMember(Part):
    """A RegionService whose VIP is in the record."""

    region: Name = field("Region of the service.", example="kanto", reference="Region")
    service: Name = field("RegionService.", example="web", reference="RegionService")
    weight: int = field("Share of the answers.", example=100, default=100, ge=0, le=1000)


class GlobalServiceSpec(Spec):
    """The record and its members."""

    domain: str = field(
        "Domain name of the record.",
        example="web.example.com",
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$",
        max_length=253,
    )
    gslb: bool = field("False: members are noted, no record is served.", example=True, default=True)
    ttl: int = field("How long resolvers may keep the answer.", example=30, default=30, unit="s", ge=1, le=86400)
    all_down: AllDown = field("Answer when no member is healthy.", example="ReturnAll", default=AllDown.RETURN_ALL)
    members: tuple[GlobalServiceMember, ...] = field(
        "RegionServices, one per datacenter.",
        unordered=True,
        example=[{"region": "kanto", "service": "web"}],
        default=(),
        max_length=256,
    )


class GlobalService(Resource[GlobalServiceSpec]):
    """A name that leads to the nearest healthy RegionService."""

    kind: Literal["GlobalService"] = "GlobalService"
    spec: GlobalServiceSpec = field("Desired state.", example={"domain": "web.example.com"})


GLOBAL_SERVICE = register(
    Kind(
        GlobalService,
        segment="global-services",
        per_project=True,
        columns=(Column("DOMAIN", "spec.domain"), Column("STATUS", "status")),
        aliases=("gs",),
        example={
            "kind": "GlobalService",
            "name": "web",
            "spec": {"domain": "web.example.com", "members": [{"region": "kanto", "service": "web"}]},
        },
    )
)
