"""Numbers and truth values of documents are what was written, never what can be made of it.

pydantic reads ``true`` as 1, the text ``"10"`` as 10 and the text ``"yes"`` as true unless configured otherwise.
A wrong type in a document is a mistake of its author, so it is refused. Texts of enums, addresses and moments
are still read as texts, and so are the keys of a mapping, which are always texts in JSON.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema

_STRICT = ("int", "float", "bool")
_SKIPPED = ("cls", "metadata", "serialization", "keys_schema")


def _make_strict(schema: object) -> None:
    """Set ``strict`` in each schema of a number, in place."""
    if isinstance(schema, dict):
        if schema.get("type") in _STRICT:
            schema["strict"] = True
        for key, value in schema.items():
            if key not in _SKIPPED:
                _make_strict(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            _make_strict(value)


class StrictNumbers(BaseModel):
    """A model whose fields of type int, float and bool, at any depth, take no other type; keys of mappings do."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _make_strict(schema)
        return schema
