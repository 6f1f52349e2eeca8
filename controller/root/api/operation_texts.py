"""What the documentation says of each operation: a summary, a description, and its name in the design.

The keys are the ids of the lines in ``routes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from controller.model.registry import Kind


@dataclass(frozen=True)
class Text:
    """What the documentation says of one operation; ``{kind}`` and ``{kinds}`` stand for names of the kind."""

    summary: str
    description: str = ""
    design_methods: str = ""
    """Names of the operation in the design, separated by blanks."""


_PLAN = "With `dry_run` the answer is a Plan, and what the action refuses is refused."
_MOVE_PLAN = "With `dry_run` the answer is a MovePlan: what would move where, and what cannot be moved."

TEXTS: Mapping[str, Text] = {
    "ApplyResources": Text(
        "Create or replace many resources in one transaction",
        "A JSON list, or YAML documents with `---` between them: all of them are written, or none. "
        "With `dry_run` the answer is a Plan.",
    ),
    "DeleteResources": Text(
        "Delete many resources in one transaction",
        "Children are deleted before parents, whatever the order; what does not exist is skipped. "
        "RegionServices only become Deleting, so what they use is in use until their controller has deleted them.",
    ),
    "WatchResources": Text("Stream changes", "NDJSON, one change a line, until the caller disconnects."),
    "GetTopology": Text(
        "Get the topology of the site, for inventories",
        "NDJSON as of one version: a head, one narrowed resource a line, an end with counts. "
        "If-None-Match with the ETag answers 304 when nothing of it has changed.",
    ),
    "List{kinds}": Text("List {kinds}"),
    "Get{kind}": Text("Get a {kind}"),
    "Put{kind}": Text(
        "Create or replace a {kind}",
        "Only what users write is replaced; an unchanged document writes nothing. With `dry_run` the answer is a Plan.",
    ),
    "Delete{kind}": Text(
        "Delete a {kind}",
        "What is in use is refused, and the answer names its users. With `dry_run` the answer is a Plan.",
    ),
    "CordonNode": Text("Take no new resources", _PLAN, "CordonNode"),
    "UncordonNode": Text("Take new resources again, and cancel a drain", _PLAN, "UncordonNode"),
    "CancelDrainNode": Text("Cancel a drain", _PLAN),
    "ScaleRegionService": Text("Set the number of replicas", _PLAN, "UpdateResource"),
    "RollbackRegionService": Text("Go back to a revision", _PLAN, "UpdateResource"),
    "StartCompute": Text("Start", _PLAN, "UpdateResource"),
    "StopCompute": Text("Shut down", _PLAN, "UpdateResource"),
    "RebootCompute": Text("Reboot", _PLAN, "UpdateResource"),
    "MigrateCompute": Text("Move to another node while it runs", _PLAN, "UpdateResource"),
    "DrainNode": Text("Cordon, and move everything to other nodes", _MOVE_PLAN, "DrainNode"),
    "DrainNodes": Text("Drain nodes, or a whole rack", _MOVE_PLAN, "DrainNode"),
    "CancelDrainNodes": Text("Cancel drains; nodes that were cordoned before stay cordoned", _PLAN),
    "RebalanceRegionService": Text(
        "Move Computes so that they are spread as its rules say", _MOVE_PLAN, "UpdateResource"
    ),
    "List{kind}Revisions": Text("List the revisions that are kept"),
    "Get{kind}Impact": Text(
        "Get what would go down with it",
        "Devices that lose power or network with it, nodes, Computes, Loadbalancers, and what is left of "
        "services. Only Computes, Loadbalancers and services of the token's projects are listed.",
    ),
    "GetClusterCapacity": Text(
        "Get how many of each flavor still fit, and how many after the worst loss",
        "Each flavor is counted as if it came alone, by room and provider. `after_loss`: a rack, power or "
        "network domain is lost with its nodes, and what moves was placed elsewhere by its own rules; the domain that "
        "leaves least room is named.",
    ),
    "GetClusterScheduleSnapshot": Text(
        "Save all that placement sees, for a bug report",
        "Takes role admin for all projects. `resourcectl schedule-replay` answers from it offline.",
    ),
}
_METHODS = {"List{kinds}": "List", "Get{kind}": "Get", "Put{kind}": "Put", "Delete{kind}": "Delete"}


def text_of(identity: str, kind: Kind | None) -> Text:
    """Return the text of the line with that id; each kind names its own methods in the design."""
    text = TEXTS[identity]
    if kind is None or identity not in _METHODS:
        return text
    method = _METHODS[identity]
    if method == "List" and kind.parent:
        text = replace(text, description="Ordered by name, in pages. `-` in place of a parent's name: of every parent.")
    return replace(text, design_methods=kind.design_methods.get(method, ""))
