"""Answers that are sent in parts: a page of resources, a line of a watch, a line of a topology.

Resources are written by their own serializers and are not part of a model when they are sent: see ``render``,
``watch`` and ``topology_lines``. The models document these answers, and make the lines that hold no resource.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from controller.root.api.answers.base import Answer, Count, JsonObject, Version


class Page(Answer):
    """One page of resources."""

    items: list[Any]
    next_after: str | None = Field(description="`after` of the next page; null: the last one.")
    resource_version: Version = Field(description="A watch from here misses nothing.")


class StreamLine(Answer):
    """Base of the lines of a stream (NDJSON)."""


class WatchLine(StreamLine):
    """One line of the stream."""

    verb: Literal["Created", "Updated", "Deleted", "Bookmark", "Gone"]
    resource_version: Version = 0
    resource: JsonObject = Field(default_factory=dict)
    detail: str = ""


class TopologyLine(StreamLine):
    """One line: the head, a narrowed resource (see its kind), or the end."""

    model_config = ConfigDict(extra="allow")

    topology: Literal[1] = Field(1, description="Of the head: the format.")
    resource_version: Version = 0
    tag: str = Field("", description="Of the head: the ETag.")
    kinds: list[str] = Field(default_factory=list)
    kind: str = ""
    name: str = ""
    spec: JsonObject = Field(default_factory=dict)
    observed: JsonObject = Field(
        default_factory=dict, description="Of a Node also `free`: what is left of its capacity."
    )
    physical: JsonObject | None = Field(None, description="Of a Node: the spec of its physical resource.")
    physical_labels: dict[str, str] = Field(
        default_factory=dict, description="Of a Node: the labels of its physical resource."
    )
    end: Literal[True] = Field(True, description="Of the last line: the answer is complete.")
    counts: dict[str, Count] = Field(default_factory=dict)
