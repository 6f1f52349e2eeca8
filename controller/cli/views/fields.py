"""A kind and its fields as text, for ``explain``."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator, Sequence

from controller.model import field_descriptions
from controller.model.field_descriptions import MEMBERS, FieldDescription
from controller.model.registry import Kind

_WIDTH = 100
_CHANGES = {
    "live": "a change is made while it runs",
    "restart": "a change restarts what runs",
    "recreate": "a change replaces what runs",
    "refused": "cannot be changed",
    "identity": "another name is another resource",
}


def explanation(kind: Kind, path: str, *, recursive: bool) -> Iterator[str]:
    """Yield the lines about a kind, or about its field at ``path``, and the fields inside it."""
    described = field_descriptions.all_of(kind)
    wanted = _normal(path)
    yield f"KIND:   {kind.name}"
    if wanted:
        own = next((each for each in described if each.path == wanted), None)
        yield f"FIELD:  {wanted}" + (f"  ({_kind_of_value(own)})" if own else "")
        yield ""
        yield from _wrapped(own.text if own else "A value that is not described further.", "  ")
        if own:
            yield from _facts(own, is_leaf=not _inside(described, wanted, recursive=True))
    else:
        yield ""
        yield from _wrapped(inspect.getdoc(kind.model) or "", "  ")
    inner = _inside(described, wanted, recursive=recursive)
    if inner:
        yield ""
        yield "FIELDS:"
        for each in inner:
            yield f"  {each.path}  ({_kind_of_value(each)})"
            yield from _wrapped(each.text, "      ")


def _normal(path: str) -> str:
    """Return a path with ``[]`` where it has an index."""
    joined = ""
    for step in path.replace(MEMBERS, f".{MEMBERS}").split("."):
        joined += MEMBERS if step == MEMBERS or step.isdigit() else f".{step}" if joined else step
    return joined.removesuffix(MEMBERS)


def _inside(described: Sequence[FieldDescription], path: str, *, recursive: bool) -> list[FieldDescription]:
    below = [each for each in described if each.path.startswith((f"{path}.", f"{path}{MEMBERS}.")) or not path]
    depth = path.count(".") + 1 if path else 0
    return [each for each in below if recursive or each.path.count(".") == depth]


def _kind_of_value(field: FieldDescription) -> str:
    return ", ".join([field.type, *(f"in {field.unit}" for _ in [0] if field.unit), *field.marks])


def _facts(field: FieldDescription, *, is_leaf: bool) -> Iterator[str]:
    if field.default:
        yield f"  default: {field.default}"
    if field.example:
        yield f"  example: {field.example}"
    if field.change and is_leaf:  # else the fields inside have changes of their own
        yield f"  change:  {field.change} ({_CHANGES[field.change]})"


def _wrapped(text: str, indent: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield from textwrap.wrap(" ".join(paragraph.split()), _WIDTH, initial_indent=indent, subsequent_indent=indent)
