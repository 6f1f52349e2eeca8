"""One resource in the user's editor: text, check, plan, question, write.

Ordering: the write names the version that was opened, so a change by somebody else in between is refused and not
overwritten. The text is lost only when it was applied or says nothing new: else its file stays, and is named.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from controller.cli import exit_codes
from controller.cli.documents import Source, check
from controller.cli.exit_codes import UsageProblem
from controller.cli.output import Format, render, to_yaml
from controller.cli.session import Session
from controller.cli.views import plans
from controller.client.kinds import SERVER_SET, ResourceName
from controller.errors import InvalidInput, Problem, ResourceError
from controller.printable import printable

Document = dict[str, Any]
_NOTE = "# "


def edit(session: Session, key: ResourceName, *, ask: bool) -> Document | None:
    """Return the resource as stored; None: the user changed nothing, or did not want the change."""
    opened = session.get(key)
    text = to_yaml({name: value for name, value in opened.items() if name not in SERVER_SET}, many=False)
    file = _file(key)
    try:
        wanted = _edited(session, key, file, text)
        if wanted is None or not _differs(session, wanted):
            file.unlink()
            return None
        if ask and not typer.confirm("Apply?", err=True):
            _say_where(file)
            return None
        stored = session.client.put(wanted, if_match=int(opened["resource_version"]))
    except (ResourceError, typer.Abort, KeyboardInterrupt):
        _say_where(file)
        raise
    file.unlink()
    return stored


def _edited(session: Session, key: ResourceName, file: Path, text: str) -> Document | None:
    """Let the user edit until the text is accepted by itself; None: nothing new was written."""
    notes: list[str] = []
    last = text
    while True:
        file.write_text("".join(f"{_NOTE}{note}\n" for note in notes) + last)
        _open(file)
        now = "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith(_NOTE))
        if now == text or not now.strip():
            return None
        try:
            return _checked(session, key, file, now)
        except InvalidInput as error:
            if now == last and notes:
                raise  # saved as it was: the user gives up
            notes, last = exit_codes.lines(error), now


def _checked(session: Session, key: ResourceName, file: Path, text: str) -> Document:
    """Return the document of a text. Raises InvalidInput, also where the server would refuse it."""
    from controller.model import document, registry

    (resource,) = _one(check([Source(str(file), raw) for raw in document.read(text)]), file)
    own = registry.key_of(resource)
    if (own.kind, own.path) != (key.kind, key.path):
        raise InvalidInput([Problem("", f"kind, names and project say which resource is edited; it is {key}")])
    wanted: Document = document.render(resource, server_set=False)
    refusals = [refusal for change in session.plan([wanted])["changes"] for refusal in change["refusals"]]
    if refusals:
        raise InvalidInput([Problem(refusal["path"], refusal["message"]) for refusal in refusals])
    return wanted


def _one(resources: list[Any], file: Path) -> list[Any]:
    if len(resources) != 1:
        raise InvalidInput([Problem(str(file), "must have one document")])
    return resources


def _differs(session: Session, wanted: Mapping[str, Any]) -> bool:
    """Show what the change does; return whether it does anything."""
    plan = session.plan([dict(wanted)])
    render(plans.differences(plan), Format.TABLE, sys.stderr)
    return plans.differs(plan)


def _say_where(file: Path) -> None:
    sys.stderr.write(printable(f"your text is in {file}") + "\n")


def _file(key: ResourceName) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f"{key.kind}-{key.names[-1][:60]}-", suffix=".yaml")
    os.close(descriptor)
    return Path(name)


def _open(file: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        done = subprocess.run([*shlex.split(editor), str(file)], check=False)
    except (OSError, ValueError) as error:
        raise UsageProblem(f"edit: {editor}: {error}; set VISUAL or EDITOR to your editor") from error
    if done.returncode:
        raise UsageProblem(f"edit: {editor} ended with exit code {done.returncode}: nothing was changed")
