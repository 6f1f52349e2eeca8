"""Remembers what was last applied from here, so that ``apply`` can warn of what somebody else has changed since.

One small file per server and resource has a digest of each field as it was applied, and no values; secrets are left
out. Files are replaced as a whole, so two applies at once leave one of the two. A folder that cannot be read or
written, and a file that is damaged, mean that nothing is remembered: an apply never fails because of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.cli import filled_fields
from controller.cli.kind_words import find_kind
from controller.cli.session import Session
from controller.errors import ResourceError
from controller.model import registry
from controller.model.secret_fields import HIDDEN, redacted_document
from controller.printable import printable

Document = Mapping[str, Any]
_WRITTEN = ("project", "labels", "spec", "max_revision_history")
_MOST_SHOWN = 10
"""Warnings that name who made the change, and fields in one warning."""


def is_known(session: Session, wanted: Sequence[Document]) -> bool:
    """Return whether any of the documents was applied from here before."""
    return any(_load(_file(session, *_names(each))) is not None for each in wanted)


def warn(session: Session, plan: Document) -> bool:
    """Write a warning for each change by somebody else that the plan would overwrite; return whether any was found."""
    found = [(step, fields) for step in plan["changes"] if (fields := _overwritten(session, step))]
    for index, (step, fields) in enumerate(found):
        by = _by(session, step) if index < _MOST_SHOWN else ""
        more = f" and {len(fields) - _MOST_SHOWN} more" if len(fields) > _MOST_SHOWN else ""
        changed = f"{step['kind']} {step['key']} was changed since it was last applied from here{by}"
        overwritten = ", ".join(fields[:_MOST_SHOWN]) + more
        sys.stderr.write(printable(f"warning: {changed}; the documents overwrite {overwritten}") + "\n")
    return bool(found)


def remember(session: Session, wanted: Sequence[Document]) -> None:
    """Remember that the documents were applied."""
    with contextlib.suppress(OSError, ValueError):  # no folder, or no path at all
        for each in wanted:
            _store(_file(session, *_names(each)), _digests(each))


def _overwritten(session: Session, step: Document) -> list[str]:
    """Return the fields that the step would change, and that are not as they were last applied from here."""
    if step["action"] != "update":
        return []
    known = _load(_file(session, str(step["kind"]), str(step["key"])))
    if known is None:
        return []
    model = registry.get(str(step["kind"])).model
    return [
        str(change["path"])
        for change in step["diff"]
        if change["before"] != HIDDEN
        and not filled_fields.is_as_applied(model, str(change["path"]), change["before"], known, _digest)
    ]


def _by(session: Session, step: Document) -> str:
    """Return who wrote the resource last and when, for those who may read the records of writes."""
    fields = {"spec.resource_kind": str(step["kind"]), "spec.resource": str(step["key"]), "spec.outcome": "ok"}
    try:
        records = session.find(find_kind("AuditRecord"), fields=fields)
    except ResourceError:
        return ""
    if not records:
        return ""
    last = max(records, key=lambda record: str(record["spec"].get("at") or ""))["spec"]
    return f" (last written by {last['token']} at {str(last.get('at')).partition('.')[0].removesuffix('Z')}Z)"


def _digests(wanted: Document) -> dict[str, str]:
    hidden = redacted_document(registry.get(str(wanted["kind"])).model, wanted)
    return dict(found for name in _WRITTEN for found in _walk(name, wanted.get(name), hidden.get(name)))


def _walk(path: str, value: Any, hidden: Any) -> Iterator[tuple[str, str]]:
    """Yield the digest of a value and of all inside it; empty where it has a secret."""
    yield path, _digest(value) if value == hidden else ""
    if isinstance(value, Mapping) and isinstance(hidden, Mapping):
        for name, inner in value.items():
            yield from _walk(f"{path}.{name}", inner, hidden.get(name))
    elif isinstance(value, list) and isinstance(hidden, list):
        for index, (inner, other) in enumerate(zip(value, hidden, strict=True)):
            yield from _walk(f"{path}[{index}]", inner, other)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _names(wanted: Document) -> tuple[str, str]:
    kind = find_kind(str(wanted["kind"]))
    names = [str(wanted[parent]) for parent in (*kind.parents, "name")]
    key = kind.key(*names, project=str(wanted.get("project", "default")))
    return key.kind, key.path


def _file(session: Session, kind: str, path: str) -> Path:
    base = Path(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"))  # noqa: PTH111 (without a home too)
    name = hashlib.sha256(f"{session.config.server}\n{kind}\n{path}".encode()).hexdigest()
    return base / "resource-service" / "applied" / f"{name}.json"


def _load(file: Path) -> Mapping[str, str] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and all(isinstance(each, str) for each in found.values()) else None


def _store(file: Path, digests: Mapping[str, str]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent)  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(digests, stream)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink()
        raise
