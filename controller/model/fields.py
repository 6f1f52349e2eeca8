"""The description of a field.

Every field of every kind is declared with :func:`field`. OpenAPI, the columns of the CLI, the docs pages and the
Ansible, Pulumi and Terraform resources are generated from this one declaration.
The facts are extensions of JSON Schema: ``x-unit``, ``x-change``, ``x-secret``,
``x-server-set``, ``x-unordered``, ``x-reference`` and ``x-lines``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from pydantic import Field
from pydantic.fields import FieldInfo


class Change(StrEnum):
    """What a change of a field means for the running resources."""

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
    lines: bool = False,
    **constraints: Any,
) -> Any:
    """Declare a field; without ``default`` or ``default_factory`` it is required.

    ``reference`` is the kind of the resource that the field names; the names of its parents are taken from the
    resource itself (``store.references``). The order of an ``unordered`` list has no meaning: another order is no
    change. ``lines``: a text of several lines (``plain_text``). ``constraints`` are pydantic's
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
    if lines:
        extra["x-lines"] = True
    if default_factory is not None:
        constraints["default_factory"] = default_factory
    elif default is not _MISSING:
        constraints["default"] = default
    return Field(description=description, examples=[example], json_schema_extra=extra, **constraints)


def facts(info: FieldInfo) -> dict[str, Any]:
    """Return the ``x-`` facts of a field made with :func:`field` (empty for others)."""
    extra = info.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}
