"""Decide who may do what: from the token alone, per kind and project.

- Role viewer reads. Role operator also writes what its projects own, and everything else if the token is for all
  projects. Role admin also manages tokens, join tokens and projects.
- A token for some projects reads the kinds that all projects share, and of the kinds that projects own (and of the
  records about them) only those of its own projects. It does not read the names of other projects, or of what is
  theirs: not the Projects, and not what a shared resource has observed of them.
- Secret fields are read by those who may write the resource.
- Writing Project, Token and JoinToken takes an admin token for all projects; so does reading Token, JoinToken and
  AuditRecord. Writing Image takes the right ``images``. Each kind declares this in its access rules.

Pure functions: no database, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.errors import Forbidden, NotFound
from controller.model import registry
from controller.model.access import Token, TokenRole
from controller.model.registry import AnyResource, Kind
from controller.model.secret_fields import has_secrets, redacted, reveals


def has_project(token: Token, project: str) -> bool:
    """Return whether the token is for that project."""
    return not token.spec.projects or project in token.spec.projects


def may_manage(token: Token) -> bool:
    """Return whether the token has role admin for all projects."""
    return token.manages_access


def may_read_kind(token: Token, kind: str) -> bool:
    """Return whether the token may read some resource of the kind."""
    return not registry.get(kind).access.confidential or may_manage(token)


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
    if kind.access.admin_only:
        if not may_manage(token):
            raise Forbidden(f"writing {kind.name} takes role admin for all projects")
    elif kind.per_project:
        if not has_project(token, project):
            raise Forbidden(f"token {token.name} is not for project {project}")
    elif token.spec.projects:
        raise Forbidden(f"{kind.name} is shared by all projects: writing it takes a token for all projects")
    right = kind.access.right
    if right and not token.has_right(right):
        raise Forbidden(f"writing {kind.name} takes the right {right}, which an admin gives in rights of the Token")


def sees_secrets(token: Token, kind: Kind) -> bool:
    """Return whether the token may read the secret fields of the resources of the kind that it may read.

    Only who may write a resource reads its secrets.
    """
    try:
        check_write(token, kind, token.spec.projects[0] if token.spec.projects else "")
    except Forbidden:
        return False
    return True


def is_visible(token: Token, resource: AnyResource) -> bool:
    """Return whether the token may read this resource; records follow the resource that they are about."""
    if not may_read_kind(token, resource.kind):
        return False
    if not token.spec.projects:
        return True
    kind = registry.get(resource.kind)
    if kind.access.subject_fields is None:
        return _is_of(token, kind, resource.project if kind.per_project else resource.name)
    about, path = (getattr(resource.spec, name) for name in kind.access.subject_fields)
    try:
        return _is_of(token, registry.get(about), path)
    except NotFound:
        return False


def _is_of(token: Token, kind: Kind, path: str) -> bool:
    """Return whether the resource is of one of the token's projects, or of none."""
    return not (kind.per_project or kind.contains_by_project) or path.partition("/")[0] in token.spec.projects


@dataclass(frozen=True)
class View:
    """What of a kind's resources a token may read; equal for all tokens that are shown the same."""

    has_secrets: bool
    hidden_facts: frozenset[str]


def view_of(token: Token, kind: Kind) -> View:
    """Return what a token may read of the visible resources of a kind."""
    return View(not has_secrets(kind.model) or sees_secrets(token, kind), _hidden_facts(token, kind))


def seen(view: View, resource: AnyResource) -> AnyResource:
    """Return a resource without what the view hides of it."""
    if not view.has_secrets:
        resource = redacted(resource)
    hidden = view.hidden_facts.intersection(resource.observed)
    if hidden:
        kept = {name: value for name, value in resource.observed.items() if name not in hidden}
        resource = resource.model_copy(update={"observed": kept})
    return resource


def shown(token: Token, resource: AnyResource) -> AnyResource:
    """Return a visible resource without what the token may not read of it."""
    return seen(view_of(token, registry.get(resource.kind)), resource)


def hides(token: Token, kind: Kind, path: str = "") -> bool:
    """Return whether ``shown`` may hide the value at a dotted path, or something in it; without a path: anything."""
    if has_secrets(kind.model) and (not path or reveals(kind.model, path)) and not sees_secrets(token, kind):
        return True
    hidden, steps = _hidden_facts(token, kind), path.split(".")
    return bool(hidden) and (not path or (steps[0] == "observed" and (len(steps) == 1 or steps[1] in hidden)))


def _hidden_facts(token: Token, kind: Kind) -> frozenset[str]:
    return frozenset(kind.access.names_resources) if token.spec.projects else frozenset()
