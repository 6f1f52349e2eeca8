"""Who may do what (model: TokenRole): decided from the token alone, per kind and project.

- viewer reads; operator also writes what its projects own, and all else if it is for all
  projects; admin also manages tokens, join tokens and projects.
- A token for some projects reads the shared kinds, and of the owned kinds (and of the records
  about them) only its own projects'.
- Management (Project, Token, JoinToken) needs an admin token for all projects; so does reading
  Token, JoinToken and AuditRecord.

Pure functions: no database, no clock.
"""

from __future__ import annotations

from controller.errors import Forbidden, NotFound
from controller.model import registry
from controller.model.access import Token, TokenRole
from controller.model.registry import AnyResource, Kind

_MANAGED = frozenset({"Project", "Token", "JoinToken"})
_CONFIDENTIAL = frozenset({"Token", "JoinToken", "AuditRecord"})
_RECORDS = {"Event": ("resource_kind", "resource"), "Assignment": ("resource_kind", "resource")}
_RECORDS["NetworkV4Port"] = ("owner_kind", "owner")


def has_project(token: Token, project: str) -> bool:
    """True when the token is for that project."""
    return not token.spec.projects or project in token.spec.projects


def may_manage(token: Token) -> bool:
    """True for an admin of everything."""
    return token.spec.role is TokenRole.ADMIN and not token.spec.projects


def may_read_kind(token: Token, kind: str) -> bool:
    """True when the token may read some resource of the kind."""
    return kind not in _CONFIDENTIAL or may_manage(token)


def check_read(token: Token, kind: Kind, project: str = "") -> None:
    """Raise Forbidden unless the kind, in that project where it has one, may be read."""
    if not may_read_kind(token, kind.name):
        raise Forbidden(f"token {token.name} may not read {kind.name}: that takes role admin for all projects")
    if kind.per_project and project and not has_project(token, project):
        raise Forbidden(f"token {token.name} is not for project {project}")


def check_write(token: Token, kind: Kind, project: str) -> None:
    """Raise Forbidden unless a resource of the kind, in that project, may be written."""
    if token.spec.role is TokenRole.VIEWER:
        raise Forbidden(f"token {token.name} has role viewer: it reads only")
    if kind.name in _MANAGED:
        if not may_manage(token):
            raise Forbidden(f"writing {kind.name} takes role admin for all projects")
    elif kind.per_project:
        if not has_project(token, project):
            raise Forbidden(f"token {token.name} is not for project {project}")
    elif token.spec.projects:
        raise Forbidden(f"{kind.name} is shared by all projects: writing it takes a token for all projects")


def is_visible(token: Token, resource: AnyResource) -> bool:
    """True when the token may read this resource; records follow what they are about."""
    if not may_read_kind(token, resource.kind):
        return False
    if not token.spec.projects:
        return True
    if registry.get(resource.kind).per_project:
        return resource.project in token.spec.projects
    about = _RECORDS.get(resource.kind)
    if about is None:
        return True
    kind, path = (getattr(resource.spec, name) for name in about)
    try:
        owned = registry.get(kind).per_project
    except NotFound:
        return False
    return not owned or path.partition("/")[0] in token.spec.projects
