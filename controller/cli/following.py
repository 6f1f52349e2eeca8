"""``get --watch``: the list, and then a line for each change, until interrupted.

The watch starts at a version from before the list: no change between the two is lost, and one that the list has is
passed over. A resource that is deleted, or that is no longer of the list, is shown once more, the deleted one with
``(deleted)`` after its line.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from controller.cli.exit_codes import UsageProblem
from controller.cli.listing import Wanted, listing
from controller.cli.output import Form, Format, View, render
from controller.cli.session import Session
from controller.cli.tables import row_of
from controller.cli.targets import Target
from controller.cli.views.resources import Columns, many

Document = Mapping[str, Any]


def follow(session: Session, targets: Sequence[Target], wanted: Wanted, form: Form) -> None:
    """Write the list and its changes. Raises UsageProblem for several kinds, and for a template."""
    if len(targets) > 1 or not isinstance(form, Format):
        raise UsageProblem("get: --watch is for one kind, and not for templates")
    (target,) = targets
    since = session.version(target.kind)
    items = listing(session, target, wanted).items
    render(many(target.kind, items), form, sys.stdout)
    sys.stdout.flush()
    lines = _Lines(Columns.of(target.kind, items), items, form)
    known = {str(item["uid"]): int(item["resource_version"]) for item in items}
    with contextlib.suppress(KeyboardInterrupt):
        for change in session.follow(target.kind, since, wanted.labels):
            item, is_deleted = change["resource"], change["verb"] == "Deleted"
            uid, version = str(item["uid"]), int(change["resource_version"])
            is_listed = not is_deleted and wanted.takes(session, target, item)
            if version <= known.get(uid, -1) or not (is_listed or uid in known):
                continue
            lines.write(item, is_deleted=is_deleted)
            known[uid] = version
            if not is_listed:
                del known[uid]


class _Lines:
    """Writes resources one by one, in the columns of a table that was shown."""

    def __init__(self, columns: Columns, shown: Sequence[Document], form: Format) -> None:
        self._columns, self._form = columns, form
        self._wide = form is Format.WIDE
        self._widths = columns.widths(shown, wide=self._wide)

    def write(self, item: Document, *, is_deleted: bool) -> None:
        if self._form in (Format.TABLE, Format.WIDE):
            line = row_of(self._columns.cells(item, wide=self._wide), self._widths)
            sys.stdout.write(f"{line}  (deleted)\n" if is_deleted else f"{line}\n")
        else:
            sys.stdout.write("---\n" if self._form is Format.YAML else "")
            render(View(documents=[item], single=True), self._form, sys.stdout)
        sys.stdout.flush()
