"""Roles and projects, decided from the token alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from controller.errors import Forbidden
from controller.model import registry
from controller.model.access import Token, TokenRight, TokenRole, TokenSpec
from controller.model.registry import Kind
from controller.root.api import access


def token(role: str, *projects: str, rights: tuple[TokenRight, ...] = ()) -> Token:
    return Token(name="t", spec=TokenSpec(role=TokenRole(role), projects=projects, rights=rights))


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
        (token("admin"), "Image", "default", True),
        (token("admin", "shop"), "Image", "default", False),
        (token("operator"), "Image", "default", False),
        (token("operator", rights=(TokenRight.IMAGES,)), "Image", "default", True),
        (token("operator", rights=(TokenRight.IMAGES,)), "Token", "default", False),
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


@pytest.mark.parametrize(("role", "projects"), [("viewer", ()), ("operator", ("shop",)), ("admin", ("shop",))])
def test_a_right_that_would_have_no_effect_is_refused(role: str, projects: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="rights take role operator or admin"):
        token(role, *projects, rights=(TokenRight.IMAGES,))


BEARERS = {
    "viewer": token("viewer"),
    "viewer of a project": token("viewer", "shop"),
    "operator of a project": token("operator", "shop"),
    "admin of a project": token("admin", "shop"),
    "operator": token("operator"),
    "operator with images": token("operator", rights=(TokenRight.IMAGES,)),
    "admin": token("admin"),
}
SHARED = {"operator", "operator with images", "admin"}
OF_PROJECTS = {*SHARED, "operator of a project", "admin of a project"}
WRITERS = {
    "Image": {"operator with images", "admin"},
    "Project": {"admin"},
    "Token": {"admin"},
    "JoinToken": {"admin"},
}
"""Who may write; of other kinds ``OF_PROJECTS`` if projects own them, else ``SHARED``."""
CONFIDENTIAL = {"Token", "JoinToken", "AuditRecord"}


@pytest.mark.parametrize("kind", [kind for kind in registry.kinds() if kind.user_made], ids=lambda kind: kind.name)
def test_matrix_of_writing(kind: Kind) -> None:
    def may(bearer: Token) -> bool:
        try:
            access.check_write(bearer, kind, "shop")
        except Forbidden:
            return False
        return True

    expected = WRITERS.get(kind.name, OF_PROJECTS if kind.per_project else SHARED)
    assert {name for name, bearer in BEARERS.items() if may(bearer)} == expected


@pytest.mark.parametrize("kind", list(registry.kinds()), ids=lambda kind: kind.name)
def test_matrix_of_reading(kind: Kind) -> None:
    readers = {name for name, bearer in BEARERS.items() if access.may_read_kind(bearer, kind.name)}
    assert readers == ({"admin"} if kind.name in CONFIDENTIAL else set(BEARERS))
    seeing = {name for name, bearer in BEARERS.items() if not access.hides(bearer, kind)}
    of_projects = {name for name in BEARERS if name.endswith("project")}
    expected = {
        "RegionService": set(BEARERS) - {"viewer", "viewer of a project"},
        "Compute": set(BEARERS) - {"viewer", "viewer of a project"},
        "Node": set(BEARERS) - of_projects,
    }
    assert seeing == expected.get(kind.name, set(BEARERS))
