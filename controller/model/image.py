"""Image: a disk image that nodes fetch, verify and cache.

Design: D2, E10
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from controller.model.access import TokenRight
from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import Change, field
from controller.model.image_url import Url
from controller.model.kind_rules import AccessRules
from controller.model.names import Checksum, Name
from controller.model.registry import Column, Kind, register


class ImageFormat(StrEnum):
    """Format of the disk image."""

    QCOW2 = "qcow2"
    RAW = "raw"


class BootFile(Part):
    """A kernel or initrd for direct boot."""

    url: Url = field("URL that nodes fetch it from, without credentials.", example="https://images.example.com/vmlinuz")
    checksum: Checksum = field("Digest of the bytes.", example="sha256:" + "0" * 64, change=Change.RECREATE)


class ImageSpec(Spec):
    """Source and checksum of the image. Of an image in use only the URLs can change (else 409): the bytes stay."""

    url: Url = field(
        "URL that nodes fetch it from, without credentials.", example="https://images.example.com/guest.qcow2"
    )
    format: ImageFormat = field("Disk format.", example="qcow2", default=ImageFormat.QCOW2, change=Change.RECREATE)
    checksum: Checksum = field("Digest of the bytes.", example="sha256:" + "0" * 64, change=Change.RECREATE)
    kernel: BootFile | None = field(
        "Kernel for direct boot, which is faster without KVM.",
        example={"url": "https://images.example.com/vmlinuz", "checksum": "sha256:" + "0" * 64},
        default=None,
        change=Change.RECREATE,
    )
    initrd: BootFile | None = field(
        "Initial RAM disk, with ``kernel``.",
        example={"url": "https://images.example.com/initrd", "checksum": "sha256:" + "0" * 64},
        default=None,
        change=Change.RECREATE,
    )
    cmdline: str = field(
        "Kernel command line, with ``kernel``.",
        example="console=ttyS0",
        default="",
        max_length=2048,
        change=Change.RESTART,
    )


class Image(Resource[ImageSpec]):
    """An image for the root disks of Computes of the region."""

    parents = ("region",)
    kind: Literal["Image"] = "Image"
    region: Name = field("Region of the image.", example="kanto", reference="Region")
    spec: ImageSpec = field(
        "What was asked.", example={"url": "https://images.example.com/guest.qcow2", "checksum": "sha256:" + "0" * 64}
    )


IMAGE = register(
    Kind(
        Image,
        segment="images",
        parent="Region",
        access=AccessRules(right=TokenRight.IMAGES.value),
        columns=(Column("FORMAT", "spec.format"), Column("URL", "spec.url", wide=True)),
        example={
            "kind": "Image",
            "name": "guest",
            "region": "kanto",
            "spec": {
                "url": "https://images.example.com/guest.qcow2",
                "format": "qcow2",
                "checksum": "sha256:" + "0" * 64,
            },
        },
    )
)
