"""The digests in a domain's mark: which changes need a new domain."""

from __future__ import annotations

from controller.agent.drivers.libvirt.mark import digest, layout_digest
from controller.model.flavor import Sizes
from tests.python.unit.agent_libvirt.test_definition import LAYOUT, desired


def test_digest_sees_what_needs_a_new_domain_and_nothing_else() -> None:
    base = digest(desired().spec)
    assert digest(desired(shutdown_timeout=1, reboots=5).spec) == base
    assert digest(desired(sizes=Sizes(vcpus=1, memory_mib=256, disk_gib=1)).spec) != base
    assert digest(desired(user_data="x").spec) != base
    assert digest(desired(interfaces=()).spec) != base


def test_the_layout_digest_sees_cpus_and_not_memory() -> None:
    digest = layout_digest(LAYOUT)
    assert layout_digest([cell.model_copy(update={"memory_mib": 1}) for cell in LAYOUT]) == digest
    assert layout_digest([cell.model_copy(update={"pinned_cpus": ()}) for cell in LAYOUT]) != digest
