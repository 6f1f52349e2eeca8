"""The names of a machine's domain and interfaces."""

from __future__ import annotations

from controller.agent.drivers.libvirt.names import domain_uuid, tap_name

UID = "0198c0ffee0198c0ffee0198c0ffee01"


def test_identity_follows_from_the_uid_alone() -> None:
    assert domain_uuid(UID) == domain_uuid(UID) != domain_uuid(UID + "x")
    names = {tap_name(UID, index) for index in range(20)}
    assert len(names) == 20
    assert all(len(name) <= 15 for name in names)
