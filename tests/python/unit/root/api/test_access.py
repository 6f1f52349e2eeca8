"""Roles and projects, decided from the token alone."""

from __future__ import annotations

import pytest

from controller.errors import Forbidden
from controller.model import registry
from controller.model.access import Token, TokenRole, TokenSpec
from controller.root.api import access


def token(role: str, *projects: str) -> Token:
    return Token(name="t", spec=TokenSpec(role=TokenRole(role), projects=projects))


@pytest.mark.parametrize(
    ("bearer", "kind", "project", "allowed"),
    [
        (token("admin"), "Token", "default", True),
        (token("admin", "shop"), "Token", "default", False),
        (token("admin", "shop"), "RegionService", "shop", True),
        (token("admin", "shop"), "Rack", "default", False),
        (token("operator"), "Rack", "default", True),
        (token("operator"), "RegionService", "shop", True),
        (token("operator"), "Project", "default", False),
        (token("operator"), "JoinToken", "default", False),
        (token("operator", "shop"), "RegionService", "shop", True),
        (token("operator", "shop"), "RegionService", "default", False),
        (token("operator", "shop"), "ResourceFlavor", "shop", False),
        (token("viewer"), "RegionService", "default", False),
        (token("viewer"), "Rack", "default", False),
    ],
)
def test_who_may_write_what(bearer: Token, kind: str, project: str, allowed: bool) -> None:
    if allowed:
        access.check_write(bearer, registry.get(kind), project)
        return
    with pytest.raises(Forbidden):
        access.check_write(bearer, registry.get(kind), project)


@pytest.mark.parametrize("kind", ["Token", "JoinToken", "AuditRecord"])
def test_confidential_kinds_are_for_admins_of_everything(kind: str) -> None:
    assert access.may_read_kind(token("admin"), kind)
    for bearer in (token("operator"), token("viewer"), token("admin", "shop")):
        assert not access.may_read_kind(bearer, kind)
