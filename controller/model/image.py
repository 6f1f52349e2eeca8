"""Image (design D2, E10): a disk image that nodes fetch, check and cache."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import StringConstraints

from controller.model.envelope import Part, Resource, Spec
from controller.model.fields import Change, field
from controller.model.names import Checksum, Name
from controller.model.registry import Column, Kind, register

Url = Annotated[str, StringConstraints(pattern=r"^(https?|file)://\S+$", max_length=2048)]
"""``http``, ``https`` or ``file`` (a path on the node)."""


class ImageFormat(StrEnum):
    """Format of the disk image."""

    QCOW2 = "qcow2"
    RAW = "raw"


class BootFile(Part):
    """A kernel or initrd for direct boot."""

    url: Url = field("Where nodes fetch it.", example="https://images.example.com/vmlinuz", change=Change.RECREATE)
    checksum: Checksum = field("Digest of the bytes.", example="sha256:" + "0" * 64, change=Change.RECREATE)


class ImageSpec(Spec):
    """Where the image is and what it must be. What is in use cannot change (409)."""

    url: Url = field("Where nodes fetch it.", example="https://images.example.com/guest.qcow2", change=Change.RECREATE)
    format: ImageFormat = field("Disk format.", example="qcow2", default=ImageFormat.QCOW2, change=Change.RECREATE)
    checksum: Checksum = field("Digest of the bytes.", example="sha256:" + "0" * 64, change=Change.RECREATE)
    kernel: BootFile | None = field(
        "Kernel for direct boot: the quick path without KVM.",
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
    """An image that Computes of the region can be made from."""

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
