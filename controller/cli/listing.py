"""What ``get`` lists: the resources of a target, narrowed and sorted as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.cli import exit_codes, sorting
from controller.cli.exit_codes import ExitCode
from controller.cli.session import Session
from controller.cli.tables import dig, text
from controller.cli.targets import Target
from controller.errors import NotFound


@dataclass(frozen=True)
class Wanted:
    """The options that narrow and sort a list."""

    labels: Sequence[str] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    sort_by: str | None = None
    every_project: bool = False

    def takes(self, session: Session, target: Target, item: Mapping[str, Any]) -> bool:
        """Return whether a list of the target has the resource. Labels are not compared: the server does that."""
        if target.names:
            names = [item[parent] for parent in (*target.kind.parents, "name")]
            key = target.kind.key(*names, project=item.get("project", "default"))
            return any(session.locate(target.kind.name, name) == key for name in target.names)
        return session.is_in_scope(target.kind, item, every_project=self.every_project) and all(
            text(dig(item, path)) == value for path, value in self.fields.items()
        )


@dataclass(frozen=True)
class Listing:
    """What was found of a target; ``exit_code`` reports names that do not exist."""

    target: Target
    items: Sequence[Mapping[str, Any]]
    exit_code: ExitCode = ExitCode.DONE


def listing(session: Session, target: Target, wanted: Wanted) -> Listing:
    """Return the resources of a target. Names that do not exist are reported on stderr; the others are returned."""
    code = ExitCode.DONE
    items: list[Mapping[str, Any]] = []
    for name in target.names:
        try:
            items.append(session.get(session.locate(target.kind.name, name)))
        except NotFound as error:
            code = exit_codes.report(error)
    if not target.names:
        # The limit is for what is shown first, so all are sorted before.
        limit = None if wanted.sort_by else wanted.limit
        items += session.find(
            target.kind,
            labels=wanted.labels,
            fields=wanted.fields,
            limit=limit,
            every_project=wanted.every_project,
        )
    if wanted.sort_by:
        items = sorting.sorted_by(target.kind, items, wanted.sort_by)[: wanted.limit]
    return Listing(target, items, code)
