"""The base of all answers, and the types of their fields.

An answer sends exactly the fields that were set, in the order of the model. A field with a default is sent only
where it says something. Bounds are documented and not enforced: a figure out of bounds is sent rather than hidden.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, WithJsonSchema

Count = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0})]
Version = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0})]
Amount = Annotated[int | float, WithJsonSchema({"type": "number", "minimum": 0})]
"""Whole numbers stay whole."""
JsonObject = dict[str, Any]


def _names_only(schema: dict[str, Any]) -> None:
    """Remove the titles that only repeat names, and the defaults: a field that was not set is not sent."""
    schema.pop("title", None)
    for entry in schema.get("properties", {}).values():
        entry.pop("title", None)
        entry.pop("default", None)


class Answer(BaseModel):
    """Base of what the API answers with, other than resources."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True, json_schema_extra=_names_only
    )

    def document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return self.model_dump(exclude_unset=True)


class ClusterAnswer(Answer):
    """Base of what a cluster answers and the root passes on.

    A cluster may be newer than its root: fields that the root does not know are passed on as they are. A cluster may
    be older too: a field that a later version adds here needs a default.
    """

    model_config = ConfigDict(extra="allow")
