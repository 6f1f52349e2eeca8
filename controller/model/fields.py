"""How a field describes itself.

Every field of every kind is made with :func:`field`, so that OpenAPI, the CLI's columns, the
docs pages and the Ansible, Pulumi and Terraform faces are all drawn from the one definition.
The facts travel as JSON-schema extensions: ``x-unit``, ``x-change``, ``x-secret``,
``x-server-set``, ``x-unordered`` and ``x-reference``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from pydantic import Field
from pydantic.fields import FieldInfo


class Change(StrEnum):
    """What changing a field does to the resources that run with it."""

    LIVE = "live"
    RESTART = "restart"
    RECREATE = "recreate"
    REFUSED = "refused"


_MISSING: Any = object()


def field(
    description: str,
    *,
    example: Any,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    unit: str | None = None,
    change: Change = Change.LIVE,
    secret: bool = False,
    server_set: bool = False,
    reference: str | None = None,
    unordered: bool = False,
    **constraints: Any,
) -> Any:
    """Describe one field; without ``default`` or ``default_factory`` it is required.

    ``reference`` names the kind that the field's value is a name of; the names of its parents are
    taken from the resource itself (``store.references``). The members of an ``unordered`` list may come in any
    order: another one is no change. ``constraints`` are pydantic's
    (``ge``, ``max_length``, ``pattern``, ...).
    """
    extra: dict[str, Any] = {"x-change": change.value}
    if unit is not None:
        extra["x-unit"] = unit
    if secret:
        extra["x-secret"] = True
    if server_set:
        extra["x-server-set"] = True
    if reference is not None:
        extra["x-reference"] = reference
    if unordered:
        extra["x-unordered"] = True
    if default_factory is not None:
        constraints["default_factory"] = default_factory
    elif default is not _MISSING:
        constraints["default"] = default
    return Field(description=description, examples=[example], json_schema_extra=extra, **constraints)


def facts(info: FieldInfo) -> dict[str, Any]:
    """Return the ``x-`` facts of a field made with :func:`field` (empty for others)."""
    extra = info.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}
