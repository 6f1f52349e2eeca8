"""The digests in a domain's mark: which changes need a new domain."""

from __future__ import annotations

from controller.agent.drivers.libvirt.mark import digest, layout_digest
from controller.model.flavor import Sizes
from controller.model.image import BootFile
from tests.python.unit.agent_libvirt.test_definition import LAYOUT, desired


def test_digest_sees_what_needs_a_new_domain_and_nothing_else() -> None:
    base = digest(desired().spec)
    assert digest(desired(shutdown_timeout=1, reboots=5).spec) == base
    assert digest(desired(sizes=Sizes(vcpus=1, memory_mib=256, disk_gib=1)).spec) != base
    assert digest(desired(user_data="x").spec) != base
    assert digest(desired(interfaces=()).spec) != base


def test_digest_sees_the_bytes_of_an_image_and_not_where_they_come_from() -> None:
    boot = BootFile(url="https://one.example.com/vmlinuz", checksum="sha256:" + "1" * 64)
    one = desired().spec.image.model_copy(update={"kernel": boot, "initrd": boot})
    elsewhere = boot.model_copy(update={"url": "https://two.example.com/vmlinuz"})
    moved = one.model_copy(
        update={"url": "https://two.example.com/guest.qcow2", "kernel": elsewhere, "initrd": elsewhere}
    )
    base = digest(desired(image=one).spec)
    assert digest(desired(image=moved).spec) == base
    for name in ("kernel", "initrd"):
        other = boot.model_copy(update={"checksum": "sha256:" + "2" * 64})
        assert digest(desired(image=one.model_copy(update={name: other})).spec) != base
    assert digest(desired(image=one.model_copy(update={"checksum": "sha256:" + "3" * 64})).spec) != base


def test_the_layout_digest_sees_cpus_and_not_memory() -> None:
    digest = layout_digest(LAYOUT)
    assert layout_digest([cell.model_copy(update={"memory_mib": 1}) for cell in LAYOUT]) == digest
    assert layout_digest([cell.model_copy(update={"pinned_cpus": ()}) for cell in LAYOUT]) != digest
